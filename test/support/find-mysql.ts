import { findOrAptInstall, versionOf, which, type Log } from "./programs.js";

const PROGRAMS = ["mariadbd", "mysqld"];

/** Makes the data folder of a MariaDB; MySQL needs no such program. */
const INSTALLERS = ["mariadb-install-db", "mysql_install_db"];

/** Where systems put servers, and which not everybody has on PATH. */
const FOLDERS = ["/usr/sbin", "/usr/local/sbin", "/usr/libexec"];

export interface FoundMysql {
  /** The path of the server program. */
  binary: string;
  /** The path of the program that makes a data folder; undefined for MySQL, whose server does that itself. */
  installer: string | undefined;
  /** `10.11.18-MariaDB-0+deb12u1` */
  version: string;
  /** What it is, for people: `MariaDB 10.11.18 (/usr/sbin/mariadbd)`. */
  description: string;
}

/**
 * Finds a MariaDB or MySQL server program; undefined if there is none. Installs nothing, so that any number of test
 * processes may call it at once.
 */
export async function findMysql(): Promise<FoundMysql | undefined> {
  for (const program of PROGRAMS) {
    const binary = await which(program, FOLDERS);
    const found = binary && (await identify(binary));
    if (found) return found;
  }
  return undefined;
}

/** {@link findMysql}; if there is none, apt-get installs one on Debian as root. May take minutes. */
export function installMysql(log: Log): Promise<FoundMysql | undefined> {
  return findOrAptInstall(log, findMysql, "mariadb-server", "mariadb");
}

/** Undefined if it does not run, or lacks its installer. */
async function identify(binary: string): Promise<FoundMysql | undefined> {
  // `mariadbd  Ver 10.11.18-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)`
  const stated = await versionOf(binary, "--no-defaults");
  const version = stated && /Ver (\S+)/.exec(stated)?.[1];
  if (!stated || !version) return undefined;
  const isMariadb = /mariadb/i.test(stated);
  const installers = isMariadb ? await Promise.all(INSTALLERS.map((program) => which(program, FOLDERS))) : [];
  const installer = installers.find((program) => program !== undefined);
  if (isMariadb && installer === undefined) return undefined;
  const description = `${isMariadb ? "MariaDB" : "MySQL"} ${version.split("-")[0]} (${binary})`;
  return { binary, installer, version, description };
}
