"use strict";
// Opens and closes blocks: rows move, and the lines between them follow. The geometry is figure.py's.
for (const svg of document.querySelectorAll("svg.picture")) {
  const rows = [...svg.querySelectorAll("g.row")].sort((a, b) => a.dataset.n - b.dataset.n);
  if (!rows.length || rows[0].dataset.groups === undefined) continue;
  const ROW = 22, TOP = 82, BOTTOM = 14, SPINE = 66;
  const groups = rows.map((row) => row.dataset.groups.split(" ").filter(Boolean).map(Number));
  const isClosed = (n) => rows[n].classList.contains("closed");
  const standing = (n) => groups[n].find(isClosed) ?? n;
  const shades = new Map([...svg.querySelectorAll("g.shade")].map((g) => [+g.dataset.n, g]));
  const places = (n, split) => rows[n].dataset[split]?.split(" ").map(Number);

  // Main edges first: of several between the same rows one is shown.
  const edges = [...svg.querySelectorAll("path.edge")];
  edges.sort((a, b) => b.classList.contains("main") - a.classList.contains("main"));

  function visible() {
    const found = new Map(), seen = new Set();
    for (const { dataset: { a: source, b: reader } } of edges) {
      const a = standing(+source), b = standing(+reader);
      if (a === b || seen.has(`${a} ${b}`)) continue;
      seen.add(`${a} ${b}`);
      found.set(`${source} ${reader}`, [a, b]);
    }
    return found;
  }

  function line(path, ends, y, glyph) {
    const pair = ends.get(`${path.dataset.a} ${path.dataset.b}`);
    if (!pair) return null;
    const [a, b] = pair;
    if (path.classList.contains("edge")) {
      const distance = Math.abs(glyph.get(b) - glyph.get(a));
      if (distance <= 1) return `M${SPINE},${y[a] + 5}L${SPINE},${y[b] - 5}`;
      const out = SPINE - Math.min(58, 12 + 5 * distance), x = SPINE - 5;
      return `M${x},${y[a]}C${out},${y[a]} ${out},${y[b]} ${x},${y[b]}`;
    }
    const p = places(a, path.dataset.split), q = places(b, path.dataset.split);
    if (!p || !q) return null;
    const middle = p.length === 1 ? 0 : 1;
    if (!path.classList.contains("band")) return `M${p[middle]},${y[a]}L${q[middle]},${y[b]}`;
    return `M${p[0]},${y[a]}L${p[2]},${y[a]}L${q[2]},${y[b]}L${q[0]},${y[b]}Z`;
  }

  function layout() {
    const y = [], glyph = new Map();
    let count = 0;
    rows.forEach((row, n) => {
      const hidden = standing(n) !== n;
      if (!hidden) {
        y[n] = TOP + ROW * (count++ + 0.5);
        if (!row.classList.contains("group") || isClosed(n)) glyph.set(n, glyph.size);
      }
      for (const g of [row, shades.get(n)]) {
        if (!g) continue;
        g.classList.toggle("hidden", hidden);
        if (!hidden) g.setAttribute("transform", `translate(0,${y[n]})`);
      }
    });
    const bottom = TOP + ROW * count;
    for (const rule of svg.querySelectorAll("line.rule")) rule.setAttribute("y2", bottom);
    svg.setAttribute("height", bottom + BOTTOM);
    svg.setAttribute("viewBox", `0 0 ${svg.getAttribute("width")} ${bottom + BOTTOM}`);
    const ends = visible();
    for (const path of svg.querySelectorAll("path.edge, path.segment, path.band")) {
      const d = line(path, ends, y, glyph);
      path.classList.toggle("hidden", d === null);
      if (d !== null) path.setAttribute("d", d);
    }
  }

  for (const row of rows.filter((row) => row.classList.contains("group"))) {
    const toggle = () => {
      row.classList.toggle("closed");
      row.setAttribute("aria-expanded", String(!row.classList.contains("closed")));
      layout();
    };
    row.setAttribute("tabindex", "0");
    row.setAttribute("role", "button");
    row.addEventListener("click", toggle);
    row.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      toggle();
    });
  }
}
