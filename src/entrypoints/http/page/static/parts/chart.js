/* A chart by period, drawn by uPlot in the colours of the page. uPlot is loaded on first use. */
import { html, useEffect, useRef, useState } from "../lib/html.js";
import { useMedia } from "../lib/media.js";
import { useStore } from "../lib/store.js";
import { theme } from "../lib/theme.js";

const HEIGHT = 240;
const LABEL_PX = 74;

let loading = null;

function uplot() {
  loading ??= Promise.all([import("../vendor/uplot.js"), styled()]).then(([module]) => module.default);
  return loading;
}

function styled() {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = new URL("../vendor/uplot.css", import.meta.url).href;
  return new Promise((resolve, reject) => {
    link.addEventListener("load", resolve);
    link.addEventListener("error", () => reject(new Error("The style of charts could not be loaded.")));
    document.head.append(link);
  });
}

/** The current values of CSS variables: a canvas cannot use variables. */
function colours(element, names) {
  const probe = document.createElement("span");
  element.append(probe);
  const found = names.map((name) => {
    probe.style.color = `var(${name})`;
    return [name, getComputedStyle(probe).color];
  });
  probe.remove();
  return Object.fromEntries(found);
}

/**
 * `series` are `{label, colour, values, total}` (colour: a CSS variable, a null value is a gap, total: what the legend says
 * while no period is selected), `labels` are the periods on the axis, `names` those in the legend, `whole` the name of all of
 * them. `stacked` draws bars on
 * top of each other instead of lines. `format` writes a value, `top` is the end of the scale where it is known.
 */
export function Chart({ label, series, labels, names, whole, stacked, format, top }) {
  const place = useRef(null);
  const [at, setAt] = useState(null);
  const chosen = useStore(theme);
  const dark = useMedia("(prefers-color-scheme: dark)");
  const drawn = JSON.stringify([series, labels, chosen, dark]);

  useEffect(() => {
    let chart = null;
    let gone = false;
    const element = place.current;
    const fit = new ResizeObserver(() => chart?.setSize({ width: element.clientWidth, height: HEIGHT }));
    uplot().then((UPlot) => {
      if (gone) return;
      const options = optionsOf(UPlot, { element, series, labels, stacked, format, top, onPoint: setAt });
      chart = new UPlot(options, dataOf(series, stacked), element);
      fit.observe(element);
    });
    return () => {
      gone = true;
      fit.disconnect();
      chart?.destroy();
      setAt(null);
    };
  }, [drawn]);

  return html`
    <div class="chart">
      <ul class="chart-legend">
        <li class="chart-period">${names[at] ?? whole}</li>
        ${series.map((one) => html`
          <li key=${one.label}>
            <span class="chart-swatch" style=${{ background: `var(${one.colour})` }} aria-hidden="true"></span>${one.label}
            <strong>${at === null ? one.total : (one.values[at] ?? null) === null ? "–" : format(one.values[at])}</strong>
          </li>`)}
      </ul>
      <div class="chart-place" ref=${place} role="img" aria-label=${label}></div>
    </div>
  `;
}

/** uPlot's columns: period numbers, then the series; stacked bars as sums with the bars below, the highest first. */
function dataOf(series, stacked) {
  const periods = series[0].values.map((_, index) => index);
  if (!stacked) return [periods, ...series.map((one) => one.values)];
  const sums = [];
  for (const one of series) sums.push(one.values.map((value, index) => value + (sums.at(-1)?.[index] ?? 0)));
  return [periods, ...sums.reverse()];
}

function optionsOf(UPlot, { element, series, labels, stacked, format, top, onPoint }) {
  const found = colours(element, ["--text-soft", "--line", "--surface", ...series.map((one) => one.colour)]);
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;
  const axis = { stroke: found["--text-soft"], font, grid: { stroke: found["--line"], width: 1 }, ticks: { show: false } };
  const bars = UPlot.paths.bars({ size: [0.7, 44] });
  const drawn = (stacked ? [...series].reverse() : series).map((one) => {
    const colour = found[one.colour];
    if (stacked) return { label: one.label, fill: colour, stroke: colour, width: 0, paths: bars, points: { show: false } };
    return { label: one.label, stroke: colour, width: 2, spanGaps: false, points: { show: labels.length < 40, size: 6, fill: colour } };
  });
  return {
    width: element.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { show: !stacked }, y: false },
    scales: {
      x: { time: false, range: [-0.5, labels.length - 0.5] },
      y: { range: (chart, low, high) => [0, top ?? Math.max((high ?? 0) * 1.08, 1)] },
    },
    axes: [
      { ...axis, size: 28, grid: { show: false }, splits: (chart) => steps(labels.length, chart.width), values: (chart, splits) => splits.map((index) => labels[index]) },
      { ...axis, size: 64, values: (chart, splits) => splits.map((value) => format(value)), incrs: top === undefined ? undefined : [0.25] },
    ],
    series: [{}, ...drawn],
    hooks: { setCursor: [(chart) => onPoint(chart.cursor.idx ?? null)] },
  };
}

/** The periods that are labelled on the axis: as many as fit. */
function steps(count, width) {
  const step = Math.max(Math.ceil((count * LABEL_PX) / Math.max(width - LABEL_PX, LABEL_PX)), 1);
  return Array.from({ length: Math.ceil(count / step) }, (_, index) => index * step);
}
