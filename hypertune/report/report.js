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
      // A pause between figures keeps the page responsive while the others are drawn.
      await new Promise((resolve) => setTimeout(resolve));
    }
    for (const select of document.querySelectorAll("select[data-axis]")) choose(select);
    document.documentElement.dataset.drawn = "yes";
  }

  function plot(id, spec) {
    const layout = { ...spec.layout, template: template(false), autosize: true };
    return Plotly.newPlot(id, spec.data, layout, {
      responsive: true, displaylogo: false, displayModeBar: "hover",
      modeBarButtons: [["toImage", "zoom2d", "pan2d", "autoScale2d", "resetScale2d"]],
    });
  }

  function dress(print) {
    for (const id of specs.keys()) Plotly.relayout(id, { template: template(print) });
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
      head.classList.add("sorts");
      head.tabIndex = 0;
      const sort = () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = [...table.tBodies[0].rows].map((row) => [key(row.cells[column].textContent), row]);
        rows.sort(([a], [b]) => compare(a, b, down ? -1 : 1));
        table.tBodies[0].append(...rows.map(([, row]) => row));
      };
      head.addEventListener("click", sort);
      head.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); sort(); } });
    });
  }

  function key(text) {
    const trimmed = text.trim();
    if (trimmed === "\u2013" || trimmed === "") return null;
    return /^[+-]?(\d|\.\d)/.test(trimmed) ? parseFloat(trimmed) : trimmed;
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

  document.querySelectorAll("table.sortable").forEach(sortable);
  document.querySelectorAll("input[data-filter]").forEach(filter);
  dark.addEventListener("change", () => dress(false));
  addEventListener("beforeprint", () => { document.querySelectorAll("details").forEach((part) => { part.open = true; }); dress(true); });
  addEventListener("afterprint", () => dress(false));
  draw();
})();
