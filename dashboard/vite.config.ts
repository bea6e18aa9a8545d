import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

// `npm run dev` shows a running Farebox: FAREBOX_URL and FAREBOX_TOKEN name it.
const backend = process.env.FAREBOX_URL ?? "http://127.0.0.1:3274";

/** The licences of the bundled scripts are written by Vite; these are the typefaces'. */
function typefaceLicences(): Plugin {
  return {
    name: "typeface-licences",
    generateBundle() {
      for (const face of ["geist", "geist-mono"]) {
        const source = readFileSync(`node_modules/@fontsource-variable/${face}/LICENSE`, "utf8");
        this.emitFile({ type: "asset", fileName: `licenses/${face}.txt`, source });
      }
    },
  };
}

export default defineConfig({
  plugins: [react(), tailwindcss(), typefaceLicences()],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  build: {
    outDir: "../src/farebox/server/web",
    emptyOutDir: true,
    sourcemap: false,
    license: { fileName: "licenses/scripts.txt" },
    target: "es2023",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // the page's policy allows no data: scripts or fonts
  },
  server: {
    proxy: {
      "/api": {
        target: backend,
        changeOrigin: true,
        headers: { authorization: `Bearer ${process.env.FAREBOX_TOKEN ?? ""}`, origin: backend },
      },
    },
  },
  test: {
    environment: "jsdom",
    setupFiles: ["./src/test-setup.ts"],
    include: ["src/**/*.test.{ts,tsx}"],
    maxWorkers: 2, // one fewer than there are cores would be one
    testTimeout: 60_000, // a loaded machine is slow, and time decides no test
    hookTimeout: 60_000,
  },
});
