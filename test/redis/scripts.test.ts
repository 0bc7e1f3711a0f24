import { readFileSync } from "node:fs";
import test from "ava";
import { FAREWELLS } from "../../src/managers/redis/farewells.js";
import * as managerScripts from "../../src/managers/redis/scripts.js";
import * as sessionScripts from "../../src/managers/redis/session-scripts.js";
import { IS_HELD, LEASES, NOW } from "../../src/redis/leases.js";
import { probe } from "../../src/redis/prober.js";
import { type Script, TELL } from "../../src/redis/script.js";
import * as registryScripts from "../../src/registries/redis/scripts.js";

// The header of a script is the only place that says what its KEYS and ARGV are: callers go by it.

const FILES: Record<string, readonly Script[]> = {
  "managers/redis/scripts.ts": Object.values(managerScripts),
  "managers/redis/session-scripts.ts": Object.values(sessionScripts),
  "registries/redis/scripts.ts": Object.values(registryScripts),
  "redis/fused-push.ts": [],
  "redis/leases.ts": [],
  "redis/prober.ts": [probe],
  "subscribers/redis.ts": [],
};

/** The numbers of KEYS or ARGV: single ones, and from where on all of them. */
interface Numbers {
  single: number[];
  from: number | undefined;
}

interface SourceScript {
  name: string;
  header: string;
  lua: string;
}

/** The scripts of a source file, with the Lua that they share put in. */
function scriptsOf(source: string): SourceScript[] {
  const fragments = new Map(
    [...source.matchAll(/^const ([A-Z_]+) = (?:\/\* lua \*\/ `([^`]*)`|"([^"]*)");/gm)].map((m) => [
      m[1]!,
      m[2] ?? m[3]!,
    ]),
  );
  // From other files.
  for (const [fragment, text] of Object.entries({ NOW, LEASES, IS_HELD, FAREWELLS, TELL }))
    fragments.set(fragment, text);
  const expand = (template: string): string =>
    template.replaceAll(/\$\{(\w+)\}/g, (_match, fragment: string) => {
      const lua = fragments.get(fragment);
      if (lua === undefined) throw new Error(`\${${fragment}} is not defined in this file`);
      return expand(lua);
    });
  const scripts = source.matchAll(
    /\/\*\*((?:(?!\*\/)[^])*)\*\/\s*(?:export )?const \w+ = defineScript\(\s*"(\w+)",\s*\/\* lua \*\/ `([^`]*)`/g,
  );
  return [...scripts].map(([, header = "", name = "", template = ""]) => ({
    name,
    header: header.replaceAll(/^\s*\* ?/gm, ""),
    lua: expand(template),
  }));
}

/** What a header says: `KEYS: 1 servers, 2... sets` is 1, and all from 2 on. */
function documented(header: string, array: "KEYS" | "ARGV"): Numbers {
  const text = new RegExp(`^${array}: ([^]*?)(?=\\n(?:\\S|$)|$(?![^]))`, "m").exec(header)?.[1];
  if (text === undefined) throw new Error(`the header has no ${array}`);
  if (text === "none") return { single: [], from: undefined };
  const items = [...text.matchAll(/(?:^|,\s+(?:or )?)(\d+)(\.\.\.)? /g)].map((m) => ({
    number: Number(m[1]),
    rest: !!m[2],
  }));
  const wrong = items.findIndex(
    ({ number, rest }, index) => number !== index + 1 || (rest && index < items.length - 1),
  );
  if (items.length === 0 || wrong >= 0) throw new Error(`the header's ${array} do not count from 1 on: ${text}`);
  return {
    single: items.filter(({ rest }) => !rest).map(({ number }) => number),
    from: items.find(({ rest }) => rest)?.number,
  };
}

/**
 * What Lua uses: `ARGV[3]`, `ARGV[i]` and `ARGV[i + 1]` within a loop over the numbers from somewhere on, `ipairs(KEYS)`,
 * `table.concat(ARGV, ' ', 4)`.
 */
function used(lua: string, array: "KEYS" | "ARGV"): Numbers {
  const loops = new Map(
    [...lua.matchAll(/for (\w+) = (\d+), #(?:KEYS|ARGV)(?:, 2)? do/g)].map((m) => [m[1]!, Number(m[2])]),
  );
  const single = new Set<number>();
  const from = new Set<number>();
  for (const [, index = ""] of lua.matchAll(new RegExp(`\\b${array}\\[([^\\]]*)\\]`, "g"))) {
    const start = loops.get(index.replace(/ \+ 1$/, ""));
    if (/^\d+$/.test(index)) single.add(Number(index));
    else if (start === undefined) throw new Error(`${array}[${index}] is not the variable of a loop over KEYS or ARGV`);
    else from.add(start);
  }
  if (lua.includes(`ipairs(${array})`)) from.add(1);
  const concat = `table\\.concat\\(${array}, '[^']*', (\\d+)\\)`;
  for (const [, start] of lua.matchAll(new RegExp(concat, "g"))) from.add(Number(start));
  const known = [`${array}\\[`, `#${array}(?:, 2)? (?:do|> \\d+)`, `ipairs\\(${array}\\)`, concat];
  const other = lua.replaceAll(new RegExp(known.join("|"), "g"), "");
  if (new RegExp(`\\b${array}\\b`).test(other))
    throw new Error(`${array} is used in a way that this test does not know`);
  if (from.size > 1) throw new Error(`${array} is used from ${[...from].join(" and ")} on`);
  return { single: [...single].toSorted((a, b) => a - b), from: [...from][0] };
}

for (const [file, exported] of Object.entries(FILES)) {
  const source = readFileSync(new URL(`../../src/${file}`, import.meta.url), "utf8");
  const scripts = scriptsOf(source);

  test(`${file}: every script has a header, and this test has found it`, (t) => {
    t.is(scripts.length, [...source.matchAll(/defineScript\(/g)].length);
    for (const script of exported)
      t.true(
        scripts.some(({ lua }) => lua === script.lua),
        script.command,
      );
  });

  for (const { name, header, lua } of scripts) {
    for (const array of ["KEYS", "ARGV"] as const) {
      test(`${file}: ${name} uses exactly the ${array} that its header lists`, (t) => {
        t.deepEqual(used(lua, array), documented(header, array));
      });
    }
  }
}

test("a header that lists too much, too little or out of order is found, and Lua that cannot be judged too", (t) => {
  const lua = "redis.call('HKEYS', KEYS[1], ARGV[2])\nfor i = 3, #ARGV do local a = ARGV[i] .. ARGV[1] end";
  const sound = { single: [1, 2], from: 3 };
  t.deepEqual(used(lua, "KEYS"), documented("Does.\nKEYS: 1 a\nARGV: none", "KEYS"));
  t.deepEqual(used(lua, "ARGV"), sound);
  t.deepEqual(documented("ARGV: 1 a, b or 7,\n      2 1: if so, 3... c, d\nReturns 4.", "ARGV"), sound);
  for (const other of ["none", "1 a, 2 b", "1 a, 2... b", "1 a, 2 b, 3 c", "1 a, 2 b, 3 c, 4... d"]) {
    t.notDeepEqual(documented(`ARGV: ${other}`, "ARGV"), sound, other);
  }
  for (const wrong of ["", "2 a", "1 a, 3 b", "1... a, 2 b", "1 a, 1 b"]) {
    t.throws(() => documented(`ARGV: ${wrong}\n`, "ARGV"), undefined, wrong);
  }
  t.deepEqual(used("ARGV[1] .. table.concat(ARGV, ' ', 4)", "ARGV"), { single: [1], from: 4 });
  for (const unknown of ["ARGV[i]", "unpack(ARGV)", "ARGV[#ARGV]", "table.concat(ARGV, ' ')"])
    t.throws(() => used(unknown, "ARGV"), undefined, unknown);
});
