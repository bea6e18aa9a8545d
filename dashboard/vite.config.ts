import { fileURLToPath } from "node:url";
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// `npm run dev` shows a running Farebox: FAREBOX_URL and FAREBOX_TOKEN name it.
const backend = process.env.FAREBOX_URL ?? "http://127.0.0.1:3274";

export default defineConfig({
  plugins: [react(), tailwindcss()],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  build: {
    outDir: "../src/farebox/server/web",
    emptyOutDir: true,
    sourcemap: false,
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
  },
});
