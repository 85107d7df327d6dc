"use strict";
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const specs = new Map();
  const templates = JSON.parse(document.getElementById("templates").textContent);
  const template = (print) => templates[dark.matches && !print ? "dark" : "light"];

  async function inflate(text) {
    const packed = Uint8Array.from(atob(text.trim()), (sign) => sign.charCodeAt(0));
    return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  }

  function say(text) {
    const notice = document.getElementById("notice");
    notice.textContent = text;
    notice.hidden = false;
  }

  async function draw() {
    if (!window.DecompressionStream) {
      say("The figures need a browser of 2023 or later; text and tables do not.");
      return;
    }
    const script = document.createElement("script");
    const packed = document.getElementById("plotly");
    script.textContent = await inflate(packed.textContent);
    packed.remove();
    document.head.append(script);
    for (const source of document.querySelectorAll("script[data-figure]")) {
      const spec = JSON.parse(source.textContent);
      source.remove();
      specs.set(source.dataset.figure, spec);
      await plot(source.dataset.figure, spec);
      bands(source.dataset.figure);
      // A pause between figures keeps the page responsive while the others are drawn.
      await new Promise((resolve) => setTimeout(resolve));
    }
    for (const select of document.querySelectorAll("select[data-axis]")) choose(select);
    document.querySelectorAll(".save[data-of]").forEach((row) => { row.hidden = false; });
    document.documentElement.dataset.drawn = "yes";
    if (document.documentElement.dataset.version) setTimeout(renew, EVERY_MS);
  }

  function plot(id, spec) {
    const layout = { ...spec.layout, template: template(false), autosize: true };
    return Plotly.react(id, spec.data, layout, {
      responsive: true, displaylogo: false, displayModeBar: "hover",
      modeBarButtons: [["toImage", "zoom2d", "pan2d", "autoScale2d", "resetScale2d"]],
    });
  }

  // On paper every figure is as wide as a sheet of A4, whatever the window was, and scales as a whole.
  const PAPER = 700;
  const SIZES = { paper: { width: 700, scale: 3, font: 13 }, slide: { width: 1280, scale: 1.5, font: 20 } };

  function dress(print) {
    for (const id of specs.keys()) {
      const chart = document.getElementById(id);
      if (!chart.layout) continue;
      const width = print ? { width: PAPER, autosize: false } : { width: null, autosize: true };
      Plotly.relayout(id, { template: template(print), ...width });
      chart.style.setProperty("--shape", print ? `${PAPER} / ${chart._fullLayout.height}` : "");
      for (const drawing of chart.querySelectorAll(".main-svg")) {
        if (print) drawing.setAttribute("viewBox", `0 0 ${PAPER} ${chart._fullLayout.height}`);
        else drawing.removeAttribute("viewBox");
      }
    }
  }

  // Bands overlap: those of most strategies are there only while the pointer is on their line.
  function bands(id) {
    const chart = document.getElementById(id);
    const hidden = new Map();
    chart.data.forEach((trace, i) => {
      if (trace.meta?.band && !trace.meta.always) hidden.set(trace.meta.band, [...(hidden.get(trace.meta.band) ?? []), i]);
    });
    if (!hidden.size) return;
    let shown = null;
    const show = (name) => {
      if (name === shown) return;
      const [off, on] = [hidden.get(shown) ?? [], hidden.get(name) ?? []];
      shown = name;
      if (off.length + on.length) Plotly.restyle(id, { visible: [...off.map(() => false), ...on.map(() => true)] }, [...off, ...on]);
    };
    chart.on("plotly_hover", ({ points, yvals }) => {
      const at = yvals?.[0];
      const near = points.filter((point) => !point.data.meta?.band).sort((a, b) => Math.abs(a.y - at) - Math.abs(b.y - at))[0];
      show(near?.data.name ?? null);
    });
    chart.on("plotly_unhover", () => show(null));
  }

  async function save(id, kind, size) {
    const { width, scale, font } = SIZES[size];
    const spec = specs.get(id);
    const height = size === "slide" ? Math.max(720, spec.layout.height * 1.4) : spec.layout.height;
    const own = template(true);
    const layout = { ...spec.layout, template: { ...own, layout: { ...own.layout, font: { ...own.layout.font, size: font }, paper_bgcolor: "#ffffff" } } };
    const url = await Plotly.toImage({ data: document.getElementById(id).data, layout }, { format: kind, width, height, scale: kind === "svg" ? 1 : scale });
    const link = document.createElement("a");
    link.href = url;
    link.download = `${id.replace(/^s\d+-/, "")}.${kind}`;
    link.click();
  }

  async function copy(button) {
    const what = button.dataset.copy;
    const text = what === "caption" ? button.closest("figure").querySelector("figcaption").textContent
      : button.closest(".taken").querySelector(`[data-text=${what}]`).textContent;
    const label = button.textContent;
    button.textContent = await write(text) ? "Copied" : "Not allowed here: select the text";
    setTimeout(() => { button.textContent = label; }, 1500);
  }

  async function write(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Where a page from disk may not use the clipboard, the old way still works.
      const field = document.createElement("textarea");
      field.value = text;
      document.body.append(field);
      field.select();
      const done = document.execCommand("copy");
      field.remove();
      return done;
    }
  }

  // The reader chooses two hyperparameters: every dot carries all its values.
  function choose(select) {
    const meta = specs.get(select.dataset.of).layout.meta;
    select.value = String(meta[select.dataset.axis]);
    select.addEventListener("change", () => {
      meta[select.dataset.axis] = Number(select.value);
      redraw(select.dataset.of, meta);
    });
  }

  function redraw(id, meta) {
    const chart = document.getElementById(id);
    const data = chart.data.map((trace) => {
      if (trace.type === "heatmap") return trace;
      return { ...trace, x: trace.customdata.map((row) => row[meta.x]), y: trace.customdata.map((row) => row[meta.y]) };
    });
    const completed = data.find((trace) => trace.type === "scatter" && Array.isArray(trace.marker.color));
    const layout = { ...chart.layout, xaxis: { ...meta.axes[meta.x] }, yaxis: { ...meta.axes[meta.y] } };
    Plotly.react(id, data.map((trace) => (trace.type === "heatmap" ? ground(trace, completed, meta) : trace)), layout);
  }

  function ground(trace, completed, meta) {
    const [across, up] = [meta.edges[meta.x], meta.edges[meta.y]];
    const field = (edges, at) => Math.min(edges.findIndex((edge) => at < edge) - 1 + (at >= edges.at(-1)) * edges.length, edges.length - 2);
    const sums = up.slice(1).map(() => across.slice(1).map(() => [0, 0]));
    completed.x.forEach((x, i) => {
      const cell = sums[field(up, completed.y[i])]?.[field(across, x)];
      if (cell) { cell[0] += completed.marker.color[i]; cell[1] += 1; }
    });
    return { ...trace, x: across, y: up, z: sums.map((row) => row.map(([sum, n]) => (n ? sum / n : null))) };
  }

  // Tables that sort: numbers by size, everything else alphabetically, missing values last.
  function sortable(table) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      const sort = () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = [...table.tBodies[0].rows].map((row) => [key(row.cells[column].textContent), row]);
        rows.sort(([a], [b]) => compare(a, b, down ? -1 : 1));
        table.tBodies[0].append(...rows.map(([, row]) => row));
      };
      button.addEventListener("click", sort);
    });
  }

  function key(text) {
    const trimmed = text.trim();
    if (trimmed === "\u2013" || trimmed === "") return null;
    const parts = [...trimmed.matchAll(/(\d+(?:\.\d+)?) (h|min|s)\b/g)];
    if (parts.length) return parts.reduce((sum, [, value, unit]) => sum + value * { h: 3600, min: 60, s: 1 }[unit], 0);
    return /^[+-]?(\d|\.\d)/.test(trimmed) ? parseFloat(trimmed.replace(/(\d),(?=\d{3})/g, "$1")) : trimmed.startsWith("<") ? 0 : trimmed;
  }

  function compare(a, b, sign) {
    if (a === null || b === null) return (a === null) - (b === null);
    if (typeof a === "number" && typeof b === "number") return sign * (a - b);
    return sign * String(a).localeCompare(String(b), undefined, { numeric: true });
  }

  function filter(input) {
    const rows = [...document.getElementById(input.dataset.filter).tBodies[0].rows];
    input.addEventListener("input", () => {
      const wanted = input.value.trim().toLowerCase();
      for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    });
  }

  // A page from a server renews itself: texts and tables are replaced, drawings are kept and given their new data.
  const EVERY_MS = 3000;

  async function renew() {
    try {
      const { version } = await (await fetch("version")).json();
      if (version !== document.documentElement.dataset.version) await replace(await (await fetch("./")).text());
      document.getElementById("notice").hidden = true;
    } catch {
      say("The server does not answer: this is the last state that it sent.");
    }
    setTimeout(renew, EVERY_MS);
  }

  async function replace(text) {
    const page = new DOMParser().parseFromString(text, "text/html");
    const open = new Set([...document.querySelectorAll("details[open] > summary")].map((head) => head.textContent));
    page.querySelectorAll("details > summary").forEach((head) => { head.parentElement.open = open.has(head.textContent); });
    const fresh = new Map();
    for (const source of page.querySelectorAll("script[data-figure]")) {
      fresh.set(source.dataset.figure, JSON.parse(source.textContent));
      source.remove();
    }
    const at = scrollY;
    for (const [id] of fresh) {
      const [old, slot] = [document.getElementById(id), page.getElementById(id)];
      if (old?.layout) slot.replaceWith(document.adoptNode(old));
    }
    for (const part of ["header", "main"]) document.querySelector(part).replaceWith(document.adoptNode(page.querySelector(part)));
    for (const id of specs.keys()) if (!fresh.has(id)) specs.delete(id);
    for (const [id, spec] of fresh) {
      specs.set(id, spec);
      await plot(id, spec);
    }
    dressed();
    scrollTo(0, at);
    document.documentElement.dataset.version = page.documentElement.dataset.version;
  }

  function dressed() {
    document.querySelectorAll(".taken .save, .save[data-of]").forEach((row) => { row.hidden = false; });
    document.querySelectorAll("table.sortable").forEach(sortable);
    document.querySelectorAll("input[data-filter]").forEach(filter);
    for (const select of document.querySelectorAll("select[data-axis]")) choose(select);
  }

  document.querySelectorAll(".taken .save").forEach((row) => { row.hidden = false; });
  document.addEventListener("click", ({ target }) => {
    if (target.dataset?.copy) copy(target);
    if (target.dataset?.save) save(target.closest("[data-of]").dataset.of, ...target.dataset.save.split(" "));
  });
  document.querySelectorAll("table.sortable").forEach(sortable);
  document.querySelectorAll("input[data-filter]").forEach(filter);
  dark.addEventListener("change", () => dress(false));
  // On paper nothing can be opened: the tables are, the texts to copy are not.
  const closed = () => [...document.querySelectorAll("details:not([open])")].filter((part) => part.querySelector("table"));
  let opened = [];
  addEventListener("beforeprint", () => { opened = closed(); opened.forEach((part) => { part.open = true; }); dress(true); });
  addEventListener("afterprint", () => { opened.forEach((part) => { part.open = false; }); dress(false); });
  draw();
})();
