// The browsers that a page is tested in, by name.

import { openChromium } from "./chromium.mjs";
import { openFirefox } from "./firefox.mjs";

export const openBrowser = (name, wanted) => (name === "firefox" ? openFirefox : openChromium)(wanted);
