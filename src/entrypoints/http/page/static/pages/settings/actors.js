/* Who did something, in words where it was no administrator by name. */
import { say } from "../../lib/language.js";
import words from "../../i18n/settings_audit.js";

const t = say(words);
const ACTORS = { "command line": "actor_command_line", "first start": "actor_first_start" };

export const actorName = (actor) => (Object.hasOwn(ACTORS, actor) ? t(ACTORS[actor]) : actor);
