/* Decorative icons next to text. They never carry information alone: screen readers do not see them. */
import { html } from "../lib/html.js";

const PATHS = {
  slots: "M3 3h6v6H3zM11 3h6v6h-6zM3 11h6v6H3zM11 11h6v6h-6z",
  pictures: "M3 6h11v10H3zM6 3h11v10M3 13l3-3 3 3 2-2 3 3",
  print: "M6 7V3h8v4M6 14H3V7h14v7h-3M6 12h8v5H6z",
  hide: "M3 3l14 14M8 5.300A8 8 0 0 1 18 10a12 12 0 0 1-2.200 2.900M12 14.700A8 8 0 0 1 2 10a12 12 0 0 1 3-3.500",
  show: "M2 10c3-6.500 13-6.500 16 0-3 6.500-13 6.500-16 0zM10 12.300a2.300 2.300 0 1 0 0-4.600 2.300 2.300 0 0 0 0 4.600z",
  jobs: "M4 5h12M4 10h12M4 15h8",
  statistics: "M4 16V9M8.500 16V4M13 16v-5M17 16H2.500",
  settings: "M3 6h8M15 6h2M3 14h2M9 14h8M13 4v4M7 12v4",
  user: "M10 10a3.200 3.200 0 1 0 0-6.400 3.200 3.200 0 0 0 0 6.400zM4 17c.6-3 3-4.500 6-4.500s5.400 1.500 6 4.500",
  copy: "M7 7h9v10H7zM4 13V3h9",
  check: "M4 10.500l4 4 8-9",
  close: "M5 5l10 10M15 5L5 15",
  up: "M5 12l5-5 5 5",
  down: "M5 8l5 5 5-5",
  left: "M12 5l-5 5 5 5",
  right: "M8 5l5 5-5 5",
  plus: "M10 4v12M4 10h12",
  trash: "M4 6h12M8 6V4h4v2M6 6l.7 11h6.600L14 6",
  drag: "M7 5h.01M7 10h.01M7 15h.01M13 5h.01M13 10h.01M13 15h.01",
  download: "M10 3v10M6 9.500l4 4 4-4M4 17h12",
  photo: "M3 5h14v11H3zM3 13l4-4 4 4 2-2 4 4M12.500 8.500h.01",
  clock: "M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM10 6v4.200l3 1.800",
  alert: "M10 3l7.500 13.500h-15zM10 8v4M10 14.500h.01",
  play: "M6 4l10 6-10 6z",
  pause: "M7 4v12M13 4v12",
  key: "M12.500 11a4 4 0 1 0-3.800-2.700L3 14v3h3v-2h2v-2h1.500l1.300-1.300c.5.2 1.100.3 1.700.3zM14 6.500h.01",
  full: "M4 8V4h4M12 4h4v4M16 12v4h-4M8 16H4v-4",
  link: "M8.500 11.500l3-3M9 6l2-2a3.500 3.500 0 0 1 5 5l-2 2M11 14l-2 2a3.500 3.500 0 0 1-5-5l2-2",
  share: "M10 12V3M6.500 6L10 3l3.500 3M4 10v7h12v-7",
  refresh: "M16 5v4h-4M4 15v-4h4M15.500 9A6 6 0 0 0 5 6.500M4.500 11A6 6 0 0 0 15 13.500",
  more: "M4 10h.01M10 10h.01M16 10h.01",
};

export function Icon({ name, size = 20 }) {
  return html`<svg class="icon" width=${size} height=${size} viewBox="0 0 20 20" aria-hidden="true" focusable="false"><path d=${PATHS[name]} /></svg>`;
}
