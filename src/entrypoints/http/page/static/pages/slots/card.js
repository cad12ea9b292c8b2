/* The card of a slot in the overview. */
import { address, me } from "../../lib/api.js";
import { number, percent } from "../../lib/format.js";
import { Component, html, useState } from "../../lib/html.js";
import { translator } from "../../lib/language.js";
import { to } from "../../lib/route.js";
import { CopyButton } from "../../parts/copy.js";
import { Icon } from "../../parts/icon.js";
import { SlotSwitch } from "../../parts/slot_switch.js";
import { SlotPill } from "../../parts/states.js";
import words from "../../i18n/slots.js";
import { Bars } from "./bars.js";
import { GalleryDialog } from "./gallery_dialog.js";
import { picturesOf, slotTab } from "./links.js";

const t = translator(words);

/** `view` is what the card shows, `version` a text that differs if it does: a list has many cards, of which few change. */
export class Card extends Component {
  shouldComponentUpdate(next) {
    return next.version !== this.props.version;
  }

  render({ view, again }) {
    return html`<${Content} ...${view} again=${again} />`;
  }
}

function Content({ slot, does, age, reasons, again }) {
  const last = slot.last_result;
  const unused = does === null && last === null && !slot.active;
  const live = slot.queue.pending + slot.queue.processing;
  return html`
    <li class=${`card slot-card${slot.active ? "" : " slot-card-off"}${unused ? " slot-card-unused" : ""}`}>
      ${!unused && html`
        <div class="slot-picture">
          ${last ? html`<img src=${address(`/public/results/${last.job_id}/thumbnail`)} alt=${t("lastPicture")} loading="lazy" />` : html`<span class="unseen">${t("noPicture")}</span><${Icon} name="photo" size=${28} />`}
        </div>
      `}
      <div class="slot-what">
        <h2><a href=${to("slots", slot.id)}>${slot.name}</a></h2>
        <p class="soft">${slot.id}</p>
        <p class="soft slot-does">${does ?? t("notConfigured")}</p>
      </div>
      <div class="slot-state">
        <${SlotPill} state=${slot.state} />
        ${live > 0 && html`<span class="slot-live">${t("inProgress", { n: live, count: number(live) })}</span>`}
        ${!unused && html`<${SlotSwitch} slot=${slot} onSwitched=${again} bare />`}
      </div>
      ${!unused && html`
        <div class="slot-lately">
          <div>
            <p>${age === null ? t("noPhotos") : t("lastPhoto", { when: age })}</p>
            <${Today} counts=${slot.today} />
          </div>
          ${slot.bars && html`<${Bars} bars=${slot.bars} />`}
        </div>
      `}
      ${reasons.length > 0 && html`<ul class="slot-reasons" aria-label=${t("reasons")}>${reasons.map(({ text, href }) => html`<li key=${text}>${href ? html`<a href=${href}>${text}</a>` : text}</li>`)}</ul>`}
      ${!unused && html`<${Foot} slot=${slot} again=${again} />`}
    </li>
  `;
}

function Foot({ slot, again }) {
  const [showing, setShowing] = useState(false);
  const { permissions } = me.get();
  const of = html`<span class="unseen"> ${slot.name}</span>`;
  return html`
    <div class="slot-foot">
      ${permissions.includes("slots:write") && html`<a class="button" href=${slotTab(slot.id, "try")}>${t("try")}${of}</a>`}
      ${permissions.includes("jobs:read") && html`<a class="button" href=${picturesOf(slot.id)}>${t("pictures")}${of}</a>`}
      <button type="button" class="button" onClick=${() => setShowing(true)}>${t("gallery")}${of}</button>
      <${CopyButton} text=${slot.ingest_url} label=${`${t("copyAddress")} ${slot.name}`} iconOnly />
    </div>
    ${showing && html`<${GalleryDialog} slot=${slot} again=${again} onClose=${() => setShowing(false)} />`}
  `;
}

function Today({ counts }) {
  const ended = counts.ingest_count;
  return html`
    <p class="slot-today"><span class="unseen">${t("today")}: </span><b>${t("photosToday", { n: ended, count: number(ended) })}</b>${counts.success_rate !== null && html`<span> · ${t("doneToday", { share: percent(counts.success_rate) })}</span>`}</p>
  `;
}
