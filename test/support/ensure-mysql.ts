// Runs before the tests: gets a MariaDB if there is neither that nor MySQL, and says which one the tests use, if any.
import { installMysql } from "./find-mysql.js";

if (process.env["MYSQL_URL"]) {
  console.log("MySQL tests use the server at MYSQL_URL.");
} else {
  const found = await installMysql(console.log);
  console.log(
    found
      ? `MySQL tests start their own ${found.description}.`
      : "MySQL tests are SKIPPED: there is no MariaDB or MySQL server program. Install one (`apt-get install " +
          "mariadb-server` on Debian and Ubuntu, `brew install mariadb` on macOS), or set MYSQL_URL=mysql://user@host.",
  );
}
