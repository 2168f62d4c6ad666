// Every page: live updates, clocks, keyboard, copying, filtering, the theme's switch.
import { startClocks } from "./clock.js";
import { startCopying } from "./copy.js";
import { startFigures } from "./figures.js";
import { startFilter } from "./filter.js";
import { startForms } from "./forms.js";
import { startKeys } from "./keys.js";
import { startLive } from "./live.js";
import { startTheme } from "./theme_switch.js";

startTheme();
startClocks();
startCopying();
startForms();
startFilter();
startKeys();
startFigures();
startLive();
