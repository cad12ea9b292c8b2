/*
 * The lines of a long list that are in the document: those near the window. The others are gaps of their height, so that
 * neither the number of elements nor the time that a step of scrolling takes grows with the list.
 */
import { useLayoutEffect, useMemo, useRef, useState } from "../../lib/html.js";

/** Lines within this distance of the window are in the document, in pixels; those that are added reach FAR_PX. */
const NEAR_PX = 700;
const FAR_PX = 1400;
const MOST_AT_FIRST = 40;

/**
 * `lines` are `{key, kind, items}` from top to bottom: a kind of line has a usual height, `items` (or `key`) are the IDs that
 * its elements carry as `data-item`. The first element of a line carries its key and kind as `data-line` and `data-kind`.
 * `usual` are the heights by kind that are assumed until one was measured. `place` keeps where the user is in the list.
 *
 * Returns `{box, parts, isShown(index), height(from, to)}`: `box` is for the element around all lines; `parts` are
 * `{from, to, isShown}`, all lines in turn; `height` is that of the lines before `to`, in pixels, without the space below them.
 */
export function useLines(lines, usual, place) {
  const box = useRef(null);
  const [range, setRange] = useState({ from: 0, to: MOST_AT_FIRST });
  const sizes = useRef(null);
  sizes.current ??= new Sizes();
  const [measured, setMeasured] = useState(0);
  const offsets = useMemo(() => sizes.current.offsets(lines, usual), [lines, measured]);
  const focused = useRef(null);
  const returning = useRef(place.key !== undefined);
  const now = useRef(null);

  const lineAt = (top) => {
    let [low, high] = [0, lines.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (offsets[middle + 1] > top) high = middle;
      else low = middle + 1;
    }
    return low;
  };
  const look = () => {
    if (box.current === null) return;
    const top = -box.current.getBoundingClientRect().top;
    const first = lineAt(Math.max(top, 0));
    if (!returning.current && first < lines.length) Object.assign(place, { key: lines[first].key, below: top - offsets[first] });
    const reach = (px) => ({ from: lineAt(top - px), to: Math.min(lineAt(top + innerHeight + px) + 1, lines.length) });
    const near = reach(NEAR_PX);
    if (near.from < range.from || near.to > Math.min(range.to, lines.length)) setRange(reach(FAR_PX));
  };
  now.current = { look };

  useLayoutEffect(() => {
    if (sizes.current.measure(box.current)) {
      setMeasured((before) => before + 1);
    } else if (returning.current) {
      returning.current = false;
    }
    if (returning.current) {
      const index = lines.findIndex((line) => line.key === place.key);
      if (index === -1) returning.current = false;
      else scrollTo({ top: scrollY + box.current.getBoundingClientRect().top + offsets[index] + place.below });
    }
    look();
  });
  useLayoutEffect(() => {
    const onScroll = () => now.current.look();
    const onResize = () => {
      if (box.current === null) return; // the list gives way to its other form at this width
      if (sizes.current.forgetAtOtherWidth(box.current)) setMeasured((before) => before + 1);
      else now.current.look();
    };
    const onFocus = (event) => {
      focused.current = event.target.closest("[data-item]")?.dataset.item ?? null;
    };
    const onBlur = ({ relatedTarget: to }) => {
      if (to !== null && !element.contains(to)) focused.current = null;
    };
    const element = box.current;
    element.addEventListener("focusin", onFocus);
    element.addEventListener("focusout", onBlur);
    addEventListener("scroll", onScroll, { passive: true });
    addEventListener("resize", onResize);
    return () => {
      element.removeEventListener("focusin", onFocus);
      element.removeEventListener("focusout", onBlur);
      removeEventListener("scroll", onScroll);
      removeEventListener("resize", onResize);
    };
  }, []);

  // The focused line stays, with those beside it: the keyboard goes on where it was.
  const held = focused.current === null ? -1 : lines.findIndex((line) => line.key === focused.current || line.items?.includes(focused.current));
  const isShown = (index) => (index >= range.from && index < range.to) || (held !== -1 && Math.abs(index - held) <= 1);
  const height = (from, to) => offsets[to] - offsets[from] - (sizes.current.spaces[lines[to - 1].kind] ?? 0);
  return { box, parts: partsOf(lines.length, isShown), isShown, height };
}

/** `{from, to, isShown}` of this number of lines in turn, as long as they are alike. */
export function partsOf(count, isShown) {
  const found = [];
  for (let index = 0; index < count; index += 1) {
    const shown = isShown(index);
    if (found.at(-1)?.isShown !== shown) found.push({ from: index, to: index, isShown: shown });
    found.at(-1).to = index + 1;
  }
  return found;
}

/** The heights of lines, with the space to the next one, as far as they were measured at this width. */
class Sizes {
  constructor() {
    this.forget();
  }

  forget() {
    this.heights = new Map();
    this.usual = {};
    this.spaces = {};
  }

  forgetAtOtherWidth(box) {
    const width = box.clientWidth;
    if (width === this.width) return false;
    this.width = width;
    this.forget();
    return true;
  }

  /** Where each line begins, and where the last one ends. */
  offsets(lines, usual) {
    if (this.heights.size > 2 * lines.length + 100) {
      const keys = new Set(lines.map((line) => line.key));
      for (const key of this.heights.keys()) if (!keys.has(key)) this.heights.delete(key);
    }
    const found = new Float64Array(lines.length + 1);
    lines.forEach((line, index) => {
      found[index + 1] = found[index] + (this.heights.get(line.key) ?? this.usual[line.kind] ?? usual[line.kind]);
    });
    return found;
  }

  /** Measure the lines that are in the document. Whether any is not as high as was known. */
  measure(box) {
    this.width ??= box.clientWidth;
    let isNew = false;
    for (const element of box.querySelectorAll("[data-line]")) {
      const { line: key, kind } = element.dataset;
      this.spaces[kind] ??= spaceAfter(element);
      const height = element.getBoundingClientRect().height + this.spaces[kind];
      this.usual[kind] ??= height;
      if (Math.abs((this.heights.get(key) ?? -1) - height) > 0.5) {
        this.heights.set(key, height);
        isNew = true;
      }
    }
    return isNew;
  }
}

function spaceAfter(element) {
  const { marginTop, marginBottom } = getComputedStyle(element);
  const { rowGap } = getComputedStyle(element.parentElement);
  return [marginTop, marginBottom, rowGap].reduce((sum, length) => sum + (Number.parseFloat(length) || 0), 0);
}
