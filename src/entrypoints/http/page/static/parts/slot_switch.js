/* The switch that lets a slot accept photos, or not; off asks first. */
import { Problem, me } from "../lib/api.js";
import { html, useState } from "../lib/html.js";
import { translator } from "../lib/language.js";
import { fieldErrorText, problemText } from "../lib/messages.js";
import { changeStored } from "../pages/slot/stored.js";
import words from "../i18n/slot.js";
import { Confirm } from "./dialog.js";
import { toast } from "./toasts.js";

const t = translator(words);

/** `onSwitched(slot, etag)` receives the stored slot and the version it is based on. `bare` shows no text beside the switch. */
export function SlotSwitch({ slot, onSwitched, bare }) {
  const [confirming, setConfirming] = useState(false);
  const [busy, setBusy] = useState(false);
  const mayWrite = me.get().permissions.includes("slots:write");
  const set = async (active) => {
    setConfirming(false);
    setBusy(true);
    try {
      const { stored, from } = await changeStored(slot.id, { active });
      onSwitched(stored, from);
      toast(t(active ? "switchedOn" : "switchedOff"));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      toast(error.errors.length ? fieldErrorText(error.errors[0]) : problemText(error), "failed");
    } finally {
      setBusy(false);
    }
  };
  return html`
    <button type="button" class="switch" role="switch" aria-checked=${slot.active} aria-label=${bare ? `${t("takesPhotos")}: ${slot.name}` : undefined} disabled=${busy || !mayWrite} onClick=${() => (slot.active ? setConfirming(true) : set(true))}>
      <span class="switch-track" aria-hidden="true"></span>${!bare && t("takesPhotos")}
    </button>
    ${confirming && html`<${Confirm} title=${t("switchOffTitle", { name: slot.name })} text=${t("switchOffText")} yes=${t("switchOff")} dangerous onYes=${() => set(false)} onNo=${() => setConfirming(false)} />`}
  `;
}
