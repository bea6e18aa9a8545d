import { mergeConfig } from "vite";
import dashboard from "./vite.config";

/** The customers' page: a build of its own, so that nothing of the dashboard is where customers load it from. */
export default mergeConfig(dashboard, {
  publicDir: false,
  build: {
    outDir: "../src/farebox/server/web/portal",
    rolldownOptions: { input: "portal.html" },
  },
});
