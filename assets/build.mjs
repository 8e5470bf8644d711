// Copies what the console serves from elsewhere: htmx, Tabler's icons, and Tabler's style sheet without
// the rules that no page uses. Run it after a template begins to use a class or an icon of Tabler's.
import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { PurgeCSS } from "purgecss";

const modules = "node_modules";
const room = "../src/towline/console";
const vendor = `${room}/static/vendor`;
const versions = {};

for (const folder of [vendor, `${room}/templates/icons`]) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
}

const copies = {
  [`${modules}/htmx.org/dist/htmx.min.js`]: `${vendor}/htmx.js`,
  [`${modules}/htmx.org/dist/ext/hx-sse.min.js`]: `${vendor}/hx-sse.js`,
  [`${modules}/htmx.org/LICENSE`]: `${vendor}/LICENSE-htmx`,
  [`${modules}/@tabler/icons/LICENSE`]: `${vendor}/LICENSE-tabler-icons`,
  [`${modules}/axe-core/axe.min.js`]: "../tests/console/axe.min.js",
};
for (const [from, to] of Object.entries(copies)) {
  copyFileSync(from, to);
}

const templates = readdirSync(`${room}/templates`).filter((name) => name.endsWith(".html"));
const markup = templates.map((name) => readFileSync(`${room}/templates/${name}`, "utf8")).join("\n");

const [sheet] = await new PurgeCSS().purge({
  content: [`${room}/templates/*.html`, `${room}/static/*.js`],
  css: [{ raw: readFileSync(`${modules}/@tabler/core/dist/css/tabler.min.css`, "utf8") }],
  safelist: { standard: [/^data-bs-theme/, "dark", "light"] },
  variables: true,
});
writeFileSync(`${vendor}/tabler.css`, sheet.css.replace(/\/\*# sourceMappingURL.*?\*\//, ""));

const icons = new Set([...markup.matchAll(/\bicon\("([a-z0-9-]+)"/g)].map((found) => found[1]));
for (const name of [...icons].sort()) {
  const drawn = readFileSync(`${modules}/@tabler/icons/icons/outline/${name}.svg`, "utf8");
  const body = drawn.replace(/<!--[\s\S]*?-->/g, "").replace(/^[\s\S]*?<svg[^>]*>|<\/svg>[\s\S]*$/g, "");
  writeFileSync(`${room}/templates/icons/${name}.svg`, `${body.replace(/\s*\n\s*/g, "")}\n`);
}

for (const name of ["@tabler/core", "@tabler/icons", "htmx.org", "axe-core"]) {
  versions[name] = JSON.parse(readFileSync(`${modules}/${name}/package.json`, "utf8")).version;
}
writeFileSync(`${vendor}/versions.json`, `${JSON.stringify(versions, null, 2)}\n`);
