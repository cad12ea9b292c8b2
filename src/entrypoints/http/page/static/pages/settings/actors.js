/* The author of a change, as text if it was not an administrator. */
import { translator } from "../../lib/language.js";
import words from "../../i18n/settings_audit.js";

const t = translator(words);
const ACTORS = { "command line": "actor_command_line", "first start": "actor_first_start" };

export const actorName = (actor) => (Object.hasOwn(ACTORS, actor) ? t(ACTORS[actor]) : actor);
