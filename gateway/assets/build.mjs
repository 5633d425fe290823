// Builds the committed files of ../static: minified script and styles, fonts, and their checksums.
import { createHash } from "node:crypto";
import { cp, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const out = join(here, "../static");
const fonts = ["inter", "jetbrains-mono"];

await rm(out, { recursive: true, force: true });
await mkdir(join(out, "fonts"), { recursive: true });

const common = {
  absWorkingDir: here,
  bundle: true,
  charset: "utf8",
  external: ["*.woff2"],
  legalComments: "none",
  minify: true,
  outdir: out,
  target: ["es2022", "chrome110", "firefox115", "safari16"],
};
await esbuild.build({ ...common, entryPoints: ["src/app.ts", "src/app.css", "src/worker.ts"] });

// Formulas: loaded by pages that have some, as a module.
const katex = join(here, "node_modules/katex");
await esbuild.build({ ...common, entryPoints: ["src/math.ts"], format: "esm" });
const styles = (await readFile(join(katex, "dist/katex-swap.css"), "utf8")).replace(
  /src:\s*url\(([^)]*\.woff2)\)[^;}]*/g,
  'src: url($1) format("woff2")',
);
await esbuild.build({
  ...common,
  outdir: undefined,
  outfile: join(out, "math.css"),
  stdin: { contents: styles, loader: "css", resolveDir: out },
});
await cp(join(katex, "LICENSE"), join(out, "fonts/katex.LICENSE"));
for (const name of await readdir(join(katex, "dist/fonts")))
  if (name.endsWith(".woff2"))
    await cp(join(katex, "dist/fonts", name), join(out, "fonts", name));

await cp(join(here, "src/logo.svg"), join(out, "logo.svg"));
for (const font of fonts) {
  const source = join(here, "node_modules/@fontsource-variable", font);
  await cp(join(source, `files/${font}-latin-wght-normal.woff2`), join(out, `fonts/${font}.woff2`));
  await cp(join(source, "LICENSE"), join(out, `fonts/${font}.LICENSE`));
}

const names = (await readdir(out, { recursive: true, withFileTypes: true }))
  .filter((entry) => entry.isFile())
  .map((entry) => relative(out, join(entry.parentPath, entry.name)))
  .sort();
const lines = await Promise.all(
  names.map(async (name) => {
    const content = await readFile(join(out, name));
    return `${createHash("sha256").update(content).digest("hex")}  ${name}\n`;
  }),
);
await writeFile(join(out, "SHA256SUMS"), lines.join(""));
