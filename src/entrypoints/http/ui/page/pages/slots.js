/* The slots at a glance. */
import { get } from "../lib/api.js";
import { html } from "../lib/html.js";
import { say } from "../lib/language.js";
import { useLoad } from "../lib/load.js";
import { to } from "../lib/route.js";
import { Loading, Trouble } from "../parts/states.js";
import words from "../words/slots.js";

const t = say(words);

export default function Slots() {
  const { data, problem, again } = useLoad((signal) => get("/api/slots", { signal }));
  return html`
    <div class="page-head"><h1>${t("title")}</h1></div>
    ${problem && html`<${Trouble} problem=${problem} again=${again} />`}
    ${data === null ? !problem && html`<${Loading} />` : html`<ul class="grid">${data.items.map((slot) => html`<li key=${slot.id} class="card"><h2><a href=${to("slots", slot.id)}>${slot.name}</a></h2></li>`)}</ul>`}
  `;
}
