"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const { figures, series: names, dark, runs, budgets } = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const night = matchMedia("(prefers-color-scheme: dark)");
  const plots = Object.fromEntries(all(".plot").map((plot) => [plot.dataset.name, plot]));
  const views = {}; // of pictures that are drawn, by name
  const scales = {}; // of pictures whose axes were switched: {name: {x: "log"}}
  const printing = () => root.classList.contains("paper");

  // --- pictures: what is drawn follows from the figure, the series chosen, the switches and the colour scheme

  function specification(name) {
    const white = JSON.stringify(figures[name]);
    const black = () => white.replace(/(?<=(["']))#[0-9a-f]{6}(?=[0-9a-f]{0,2}\1)/g, (colour) => dark[colour] ?? colour);
    const spec = JSON.parse(night.matches && !printing() ? black() : white);
    for (const [axis, type] of Object.entries(scales[name] ?? {}))
      Object.assign(spec.encoding[axis].scale, { type, domain: spec.usermeta.extents[axis][type] });
    for (const one of spec.params ?? []) if (one.name in chosen) one.value = [...chosen[one.name]];
    return fitted(spec, plots[name]);
  }

  function fitted(spec, plot) {
    // a surface, whose units are as long upwards as across, is as low as it has to be narrow
    const wide = parseFloat(getComputedStyle(plot).maxWidth) || plot.clientWidth;
    spec.height *= Math.min(1, plot.clientWidth / wide, printing() ? 0.85 : 1);
    plot.style.minHeight = spec.height + "px";
    if (plot.clientWidth < 600) for (const one of spec.params) if (one.name === "labelled") one.value = 0;
    return spec;
  }

  async function draw(name) {
    const options = { actions: false, ast: true, renderer: "svg", tooltip: { theme: "custom" } };
    const { view } = await vegaEmbed(plots[name], specification(name), options);
    views[name]?.finalize();
    views[name] = view;
    view.addEventListener("click", (_, item) => tell(item));
    await players[name]?.show();
  }

  // Nothing is waited for but promises, so that all is drawn when a handler of beforeprint ends
  const drawAll = (names) => Promise.all(names.map(draw));

  const near = new IntersectionObserver(async (entries) => {
    const come = entries.filter((one) => one.isIntersecting).map((one) => one.target);
    for (const plot of come) near.unobserve(plot);
    await drawAll(come.map((plot) => plot.dataset.name));
    root.dataset.drawn = "true";
  }, { rootMargin: "500px 0px" });

  function set(name, signal, value) {
    const known = figures[name].params?.some((one) => one.name === signal);
    return known ? views[name]?.signal(signal, value).runAsync() : undefined;
  }

  // --- legends: a click hides a series in every picture, or lights a grey one; a double click hides all others

  const MOST_LIT = 7;
  const entries = all(".legend button");
  const chosen = { hidden: new Set(), faded: new Set(names.slice(MOST_LIT)) };

  function choose(hidden, faded) {
    Object.assign(chosen, { hidden: new Set(hidden), faded: new Set(faded) });
    for (const name of Object.keys(views)) for (const signal in chosen) set(name, signal, [...chosen[signal]]);
    mark();
  }

  function mark() {
    const pressed = (series) => (chosen.hidden.has(series) ? "false" : chosen.faded.has(series) ? "mixed" : "true");
    for (const entry of entries) entry.setAttribute("aria-pressed", pressed(entry.dataset.series));
  }

  for (const entry of entries) {
    const series = entry.dataset.series;
    entry.addEventListener("click", (event) => {
      if (event.detail > 1) return; // the second click of two
      const { hidden, faded } = chosen;
      const lit = !hidden.delete(series) && !faded.delete(series);
      choose(lit ? [...hidden, series] : hidden, faded);
    });
    entry.addEventListener("dblclick", () => {
      const others = names.filter((name) => name !== series);
      const alone = others.every((name) => chosen.hidden.has(name));
      choose(alone ? [] : others, alone ? names.slice(MOST_LIT) : []);
    });
  }

  for (const button of all(".switch")) {
    button.addEventListener("click", () => {
      const { name, axis } = button.dataset;
      const log = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(log));
      (scales[name] ??= {})[axis] = log ? "log" : "linear";
      draw(name);
    });
  }

  // --- the run of a point; a line is one run's or has no answer, for it stands for all of its points

  function tell(item) {
    const run = item?.datum?.run;
    if (!(run in runs) || item.mark.items.some((one) => item.mark.marktype !== "symbol" && one.datum.run !== run)) return;
    const texts = { name: `Run ${run}`, directory: runs[run][0], command: runs[run][1] };
    for (const [what, text] of Object.entries(texts)) document.getElementById(`run-${what}`).textContent = text;
    document.getElementById("run").showPopover();
  }

  // --- animations

  const SECONDS = 8; // of the whole race, as it is played at first

  function player(element) {
    const [button, slider, output, speed] = ["button", "input", "output", "select"].map((tag) => element.querySelector(tag));
    const last = Number(slider.max);
    let playing = false;
    for (const times of [1 / 8, 1 / 2, 1, 2]) {
      const rate = Number(((last / SECONDS) * times).toPrecision(2));
      speed.add(new Option(rate.toLocaleString("en") + " steps a second", rate, times === 1, times === 1));
    }

    function show() {
      const step = Number(slider.value);
      output.textContent = "step " + step.toLocaleString("en");
      slider.setAttribute("aria-valuetext", output.textContent);
      return set(element.dataset.name, "step", step);
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

  const players = Object.fromEntries(all(".player").map((one) => [one.dataset.name, player(one)]));

  // --- what other budgets would have said

  function budget(element) {
    const { spent, ...numbers } = budgets[element.dataset.of];
    const inputs = Object.fromEntries(all("input", element).map((input) => [input.name, input]));
    const [said, body] = [element.querySelector("[role=status]"), element.querySelector("tbody")];

    function show() {
      const at = (what) => Number(inputs[what]?.value ?? numbers[what].length - 1);
      for (const [what, input] of Object.entries(inputs)) {
        const told = numbers[what][at(what)].toLocaleString("en");
        input.setAttribute("aria-valuetext", (input.previousElementSibling.textContent = told));
      }
      const { sentences, shares } = spent[at("tries")][at("steps")];
      said.textContent = sentences.join(" ");
      body.replaceChildren(...shares.map(row));
    }

    function row(texts) {
      const line = document.createElement("tr");
      for (const text of texts) line.insertCell().textContent = text;
      if (texts.length > 2) line.style.setProperty("--share", texts.at(-1).replace(" ", ""));
      return line;
    }

    element.addEventListener("input", show);
    show();
  }

  all(".budget").forEach(budget);

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

  for (const button of all("thead button")) button.addEventListener("click", () => sort(button.closest("th")));
  for (const button of all(".unfold")) {
    button.addEventListener("click", () => {
      document.getElementById(button.dataset.of).classList.remove("folded");
      button.remove();
    });
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

  for (const button of all("[data-copy]")) {
    button.addEventListener("click", async () => {
      const source = document.getElementById(button.dataset.of);
      await copy({ csv, latex, text: (one) => one.textContent }[button.dataset.copy](source));
      const label = button.textContent;
      button.textContent = "Copied";
      button.disabled = true;
      setTimeout(() => Object.assign(button, { textContent: label, disabled: false }), 1200);
    });
  }

  // --- on paper all is white, as wide as a sheet, and unfolded

  function print(on) {
    root.classList.toggle("paper", on);
    for (const one of all("details.more")) {
      if (on) one.dataset.was = one.open;
      one.open = on || one.dataset.was === "true";
    }
    for (const table of all(".table")) {
      const wide = table.firstElementChild;
      wide.style.zoom = on ? Math.min(1, table.clientWidth / wide.scrollWidth) : "";
    }
    drawAll(Object.keys(on ? plots : views));
  }

  addEventListener("beforeprint", () => print(true));
  addEventListener("afterprint", () => print(false));
  night.addEventListener("change", () => drawAll(Object.keys(views)));
  mark();
  for (const plot of Object.values(plots)) near.observe(plot);
  if (!Object.keys(plots).length) root.dataset.drawn = "true";
})();
