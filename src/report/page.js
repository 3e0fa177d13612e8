"use strict";
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const figures = read("figures");
  const dark = read("dark");
  const night = matchMedia("(prefers-color-scheme: dark)");
  const narrow = matchMedia("(max-width: 640px)");
  const coarse = matchMedia("(pointer: coarse)");
  const hidden = new Set();
  const scales = {}; // of charts whose axes were switched: {name: {x: "log"}}
  const plots = [...document.querySelectorAll(".plot")];

  // --- pictures: what is drawn follows from the figure, the hidden series, the switches and the colour scheme

  function themed(figure) {
    const text = JSON.stringify(figure);
    if (!night.matches) return JSON.parse(text);
    return JSON.parse(text.replace(/"#[0-9a-f]{6}(?=[0-9a-f]{0,2}")/g, (c) => '"' + (dark[c.slice(1)] ?? c.slice(1))));
  }

  function rescale(figure, name) {
    const { extents } = figure.layout.meta ?? {};
    for (const [axis, scale] of Object.entries(scales[name] ?? {})) {
      const ends = extents[axis][scale];
      const range = scale === "log" ? ends.map(Math.log10) : ends;
      Object.assign(figure.layout[axis + "axis"], { type: scale, range });
    }
    for (const axis of ["xaxis", "yaxis"]) tick(figure.layout[axis]);
  }

  function tick(axis) {
    if (axis.type !== "log") return;
    const decades = Math.abs(axis.range[1] - axis.range[0]);
    const most = narrow.matches ? 4 : 8;
    if (decades > 1.5) Object.assign(axis, { dtick: Math.ceil(decades / most), exponentformat: "power" });
    axis.minor = { ticks: "outside", ticklen: 3, tickcolor: axis.tickcolor, dtick: decades > 1.5 && decades < 6 ? "D1" : undefined };
  }

  function drawn(name) {
    const figure = themed(figures[name]);
    rescale(figure, name);
    if (figure.layout.meta?.paths) lay(figure);
    for (const trace of figure.data) trace.visible = !hidden.has(trace.legendgroup);
    for (const shape of figure.layout.shapes ?? []) {
      shape.visible = !hidden.has(shape.legendgroup);
      delete shape.legendgroup;
    }
    if (coarse.matches) figure.layout.dragmode = false; // a finger scrolls the page
    if (narrow.matches) {
      figure.layout.font.size = 11;
      figure.layout.xaxis.nticks = 6;
      const { xaxis, yaxis } = figure.layout;
      const tall = (yaxis.range?.[1] - yaxis.range?.[0]) / (xaxis.range?.[1] - xaxis.range?.[0]);
      if (yaxis.scaleanchor) figure.layout.height = Math.min(400, 110 + 300 * tall);
      // the legend has them too
      for (const shape of figure.layout.shapes ?? []) if (shape.x0 === shape.x1 && shape.label) shape.label.text = "";
    }
    figure.layout.height ??= narrow.matches ? 340 : 430;
    return figure;
  }

  // the ground of an animation is a picture of its own, for plotly takes contours away while it moves what is over them
  function lay(figure) {
    const ground = figure.data.find((trace) => trace.type === "contour");
    const { x, y } = ground;
    const image = { source: landscape(ground, (y.at(-1) - y[0]) / (x.at(-1) - x[0])), xref: "x", yref: "y", sizing: "stretch", layer: "below" };
    Object.assign(image, { x: x[0], y: y.at(-1), sizex: x.at(-1) - x[0], sizey: y.at(-1) - y[0] });
    figure.layout.images = [image];
    Object.assign(ground, { type: "heatmap", opacity: 0, contours: undefined, line: undefined }); // tells heights
  }

  function landscape({ z, zmax, colorscale, line }, tall) {
    const [rows, columns] = [z.length, z[0].length];
    const [width, height] = [Math.round(720 / Math.sqrt(tall)), Math.round(720 * Math.sqrt(tall))];
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const pen = canvas.getContext("2d");
    const pixels = pen.createImageData(width, height);
    const channels = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
    const edge = channels(line.color);
    const colours = Array.from({ length: zmax + 1 }, (_, band) => {
      const at = (Math.min(band + 0.5, zmax) / zmax) * (colorscale.length - 1);
      const [one, other] = [Math.floor(at), Math.ceil(at)].map((index) => channels(colorscale[index][1]));
      return one.map((value, index) => value + (other[index] - value) * (at % 1));
    });
    // heights between four points of the grid are bilinear; a line is where the pixel before lies in another band
    const bands = new Float64Array(width * height);
    for (let row = 0; row < height; row++) {
      const down = ((height - 1 - row) / (height - 1)) * (rows - 1);
      const [low, up] = [Math.floor(down), down % 1];
      const [below, above] = [z[low], z[Math.min(low + 1, rows - 1)]];
      for (let column = 0; column < width; column++) {
        const across = (column / (width - 1)) * (columns - 1);
        const [left, on] = [Math.floor(across), across % 1];
        const right = Math.min(left + 1, columns - 1);
        const one = below[left] + (below[right] - below[left]) * on;
        const other = above[left] + (above[right] - above[left]) * on;
        const at = row * width + column;
        const band = (bands[at] = Math.floor(one + (other - one) * up));
        const crosses = (column && bands[at - 1] !== band) || (row && bands[at - width] !== band);
        const colour = colours[band].map((value, index) => (crosses ? value + 0.65 * (edge[index] - value) : value));
        pixels.data.set([...colour, 255], 4 * at);
      }
    }
    pen.putImageData(pixels, 0, 0);
    return canvas.toDataURL();
  }

  const config = {
    responsive: true,
    displaylogo: false,
    plotlyServerURL: "",
    modeBarButtonsToRemove: ["select2d", "lasso2d", "zoomIn2d", "zoomOut2d", "autoScale2d", "sendChartToCloud"],
  };

  function draw(plot) {
    const name = plot.dataset.name;
    const { data, layout } = drawn(name);
    return Plotly.react(plot, data, layout, { ...config, toImageButtonOptions: { filename: name, scale: 2 } }).then(() => {
      if (figures[name].layout.meta?.paths) players[name].show();
    });
  }

  const drawAll = () => plots.reduce((before, plot) => before.then(() => draw(plot)), Promise.resolve());

  // --- legends: a click hides a series in every picture, a double click hides all others

  const entries = [...document.querySelectorAll(".legend button")];
  const names = [...new Set(entries.map((entry) => entry.dataset.series))];

  function hide(change) {
    change();
    for (const entry of entries) entry.setAttribute("aria-pressed", String(!hidden.has(entry.dataset.series)));
    return drawAll();
  }

  for (const entry of entries) {
    const series = entry.dataset.series;
    entry.addEventListener("click", (event) => {
      if (event.detail > 1) return; // the second click of two
      hide(() => (hidden.has(series) ? hidden.delete(series) : hidden.add(series)));
    });
    entry.addEventListener("dblclick", () =>
      hide(() => {
        const alone = names.every((name) => name === series || hidden.has(name));
        for (const name of names) alone || name === series ? hidden.delete(name) : hidden.add(name);
      }),
    );
  }

  for (const button of document.querySelectorAll(".switch")) {
    button.addEventListener("click", () => {
      const { name, axis } = button.dataset;
      const log = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(log));
      (scales[name] ??= {})[axis] = log ? "log" : "linear";
      draw(plots.find((plot) => plot.dataset.name === name));
    });
  }

  // --- animations

  const SECONDS = 8; // of the whole race, as it is played at first

  function player(element) {
    const name = element.dataset.name;
    const plot = plots.find((one) => one.dataset.name === name);
    const { last, paths } = figures[name].layout.meta;
    const [button, slider, output, speed] = ["button", "input", "output", "select"].map((tag) => element.querySelector(tag));
    let playing = false;
    for (const times of [1 / 8, 1 / 2, 1, 2]) {
      const rate = Number(((last / SECONDS) * times).toPrecision(2));
      speed.add(new Option(rate.toLocaleString("en") + " steps a second", rate, times === 1, times === 1));
    }

    function show() {
      const step = Number(slider.value);
      const data = [];
      for (const { traces, steps } of paths) {
        let until = steps.findIndex((one) => one > step);
        if (until < 0) until = steps.length;
        const cut = (trace, from) => ({
          x: figures[name].data[trace].x.slice(from, until),
          y: figures[name].data[trace].y.slice(from, until),
        });
        data.push(cut(traces[0], 0), cut(traces[0], Math.max(0, until - 1)));
      }
      output.textContent = "step " + step.toLocaleString("en");
      slider.setAttribute("aria-valuetext", output.textContent);
      const still = { mode: "immediate", frame: { duration: 0, redraw: false }, transition: { duration: 0 } };
      return Plotly.animate(plot, { data, traces: paths.flatMap(({ traces }) => traces) }, still).catch(() => {});
    }

    function stop() {
      playing = false;
      button.textContent = "▶ Play";
    }

    function start() {
      if (Number(slider.value) === last) slider.value = 0;
      let [first, began] = [Number(slider.value), performance.now()];
      speed.onchange = () => ([first, began] = [Number(slider.value), performance.now()]);
      playing = true;
      button.textContent = "❚❚ Pause";
      // by the clock: a slow machine leaves frames out, it does not play slower
      const next = async () => {
        if (!playing) return;
        slider.value = Math.min(last, Math.floor(first + ((performance.now() - began) / 1000) * speed.value));
        await show();
        if (Number(slider.value) === last) stop();
        else requestAnimationFrame(next);
      };
      next();
    }

    button.addEventListener("click", () => (playing ? stop() : start()));
    slider.addEventListener("input", () => {
      stop();
      show();
    });
    return { show };
  }

  const players = Object.fromEntries([...document.querySelectorAll(".player")].map((one) => [one.dataset.name, player(one)]));

  // --- tables

  function sort(header) {
    const table = header.closest("table");
    const column = header.cellIndex;
    const down = header.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = (row) => {
      const { value } = row.cells[column].dataset;
      return value === "" ? null : header.classList.contains("number") ? Number(value) : value;
    };
    const order = (a, b) => {
      const [one, two] = [key(a), key(b)];
      if (one === null || two === null) return (one === null) - (two === null); // empty ones last, either way
      const compared = typeof one === "number" ? one - two || 0 : one.localeCompare(two, "en", { numeric: true });
      return down ? -compared : compared;
    };
    table.tBodies[0].append(...[...table.tBodies[0].rows].sort(order));
  }

  for (const button of document.querySelectorAll("thead button")) {
    button.addEventListener("click", () => sort(button.closest("th")));
  }

  const cells = (table) => [...table.rows].map((row) => [...row.cells].map((cell) => cell.innerText.trim()));

  function csv(table) {
    const quoted = (text) => (/[",\n\r]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text);
    return cells(table).map((row) => row.map(quoted).join(",")).join("\n") + "\n";
  }

  const TEX = {
    "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "<": "\\textless{}",
    ">": "\\textgreater{}", "|": "\\textbar{}", "±": "$\\pm$", "×": "$\\times$", "λ": "$\\lambda$", "ε": "$\\varepsilon$",
    "≤": "$\\le$", "≥": "$\\ge$", "≈": "$\\approx$", "∞": "$\\infty$", "−": "$-$", "–": "--", "—": "---", "…": "\\ldots{}",
  };

  function latex(table) {
    const plain = (text) =>
      text.replace(/[\\~^<>|±×λε≤≥≈∞−–—…]|[&%$#_{}]/g, (c) => TEX[c] ?? "\\" + c).replaceAll("\n", " ");
    // a bracket at the start of a row would be read as an argument of \\ before it
    const lines = cells(table).map((row) => "  " + row.map(plain).join(" & ").replace(/^\[/, "{[}") + " \\\\");
    const columns = [...table.tHead.rows[0].cells].map((cell) => (cell.classList.contains("number") ? "r" : "l")).join("");
    const [head, ...body] = lines;
    return ["\\begin{tabular}{" + columns + "}", "  \\toprule", head, "  \\midrule", ...body, "  \\bottomrule", "\\end{tabular}", ""].join("\n");
  }

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.body.appendChild(Object.assign(document.createElement("textarea"), { value: text }));
      area.select();
      document.execCommand("copy");
      area.remove();
    }
  }

  for (const button of document.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", async () => {
      const source = document.getElementById(button.dataset.of);
      const text = { csv, latex, text: (one) => one.textContent }[button.dataset.copy](source);
      await copy(text);
      const label = button.textContent;
      button.textContent = "Copied";
      button.disabled = true;
      setTimeout(() => Object.assign(button, { textContent: label, disabled: false }), 1200);
    });
  }

  night.addEventListener("change", drawAll);
  narrow.addEventListener("change", drawAll);
  drawAll().then(() => document.documentElement.setAttribute("data-drawn", "true"));
})();
