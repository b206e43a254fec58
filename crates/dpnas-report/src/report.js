// Tells what a point is, sorts and filters the table, and loads the page of a running search again. Without this script
// the page shows the same, and the browser tells what a point is.
'use strict';
{
  const kept = history.state ?? {};
  const keep = change => history.replaceState(Object.assign(kept, change), '');
  const make = (name, properties) => Object.assign(document.createElement(name), properties);

  // Points: the nearest one to the pointer, or the one with the focus; arrow keys walk along them.
  const tip = make('div', { className: 'tip', id: 'tip', hidden: true });
  tip.setAttribute('role', 'tooltip');
  document.body.append(tip);
  let shown = null;
  const show = circle => {
    if (circle === shown) return;
    shown?.classList.remove('shown');
    shown = circle;
    tip.hidden = !circle;
    if (!circle) return;
    circle.classList.add('shown');
    tip.textContent = circle.label;
    const box = circle.getBoundingClientRect();
    const left = Math.min(box.x + box.width / 2 - tip.offsetWidth / 2, document.body.clientWidth - tip.offsetWidth - 8);
    const above = box.y - tip.offsetHeight - 8;
    tip.style.left = `${scrollX + Math.max(left, 8)}px`;
    tip.style.top = `${scrollY + (above > 0 ? above : box.bottom + 8)}px`;
  };
  for (const svg of document.querySelectorAll('figure svg')) {
    const circles = [...svg.querySelectorAll('.points circle')];
    if (!circles.length) continue;
    svg.setAttribute('role', 'group');
    circles[0].setAttribute('tabindex', 0);
    // Thousands of points: nothing is done to them before it is needed. The browser's own tips would be a second one.
    let places;
    const prepare = () => places ??= circles.map(circle => {
      circle.label = circle.textContent;
      circle.replaceChildren();
      return [Number(circle.getAttribute('cx')), Number(circle.getAttribute('cy'))];
    });
    svg.addEventListener('focusin', ({ target }) => {
      prepare();
      target.setAttribute('role', 'img');
      target.setAttribute('aria-label', target.label);
      show(target);
    });
    svg.addEventListener('focusout', () => show(null));
    svg.addEventListener('keydown', event => {
      const step = { ArrowRight: 1, ArrowLeft: -1, Home: -circles.length, End: circles.length }[event.key];
      if (!step) return;
      event.preventDefault();
      const at = circles.indexOf(document.activeElement);
      const next = circles[Math.max(0, Math.min(at + step, circles.length - 1))];
      circles[at].removeAttribute('tabindex');
      next.setAttribute('tabindex', 0);
      next.focus();
    });
    const point = event => {
      const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
      let [nearest, least] = [null, 12 ** 2];
      prepare().forEach(([cx, cy], i) => {
        const distance = (cx - x) ** 2 + (cy - y) ** 2;
        if (distance < least) [nearest, least] = [circles[i], distance];
      });
      show(nearest);
    };
    svg.addEventListener('pointermove', point);
    svg.addEventListener('pointerdown', point);
    svg.addEventListener('pointerleave', () => show(null));
  }
  addEventListener('keydown', event => event.key === 'Escape' && show(null));

  // The table: a click on a heading sorts, the box filters.
  const table = document.getElementById('nets');
  const filter = make('input', { type: 'search', id: 'filter', placeholder: 'Filter, such as C(32 or ◆', spellcheck: false });
  if (table) {
    const [heads, rows] = [[...table.tHead.rows[0].cells], [...table.tBodies[0].rows]];
    const texts = rows.map(row => row.textContent.toLowerCase());
    const count = make('output', { htmlFor: 'filter' });
    const bar = make('div', { className: 'filter' });
    bar.append(filter, count);
    filter.setAttribute('aria-label', 'Filter the architectures');
    table.parentElement.before(bar);

    // Numbers by value, those that are missing last; texts by their letters.
    const sort = (column, descending) => {
      const key = ({ cells }) => {
        const text = cells[column].title || cells[column].textContent;
        return heads[column].className ? parseFloat(text) : text;
      };
      const keyed = rows.map(row => [key(row), row]);
      keyed.sort(([a], [b]) => (a !== a) - (b !== b) || (descending ? -1 : 1) * ((a > b) - (a < b)));
      table.tBodies[0].append(...keyed.map(([, row]) => row));
      heads.forEach(head => head.removeAttribute('aria-sort'));
      heads[column].setAttribute('aria-sort', descending ? 'descending' : 'ascending');
      keep({ column, descending });
    };
    heads.forEach((head, column) => {
      const button = make('button', { type: 'button', textContent: head.textContent });
      button.addEventListener('click', () => {
        const sorted = head.getAttribute('aria-sort');
        sort(column, sorted ? sorted === 'ascending' : head.className !== '' && column > 0);
      });
      head.replaceChildren(button);
    });
    const select = () => {
      const words = filter.value.toLowerCase().split(/\s+/);
      rows.forEach((row, i) => { row.hidden = !words.every(word => texts[i].includes(word)); });
      count.textContent = `${rows.filter(row => !row.hidden).length} of ${rows.length}`;
      keep({ filter: filter.value });
    };
    filter.addEventListener('input', select);
    filter.value = kept.filter ?? '';
    if (kept.column !== undefined) sort(kept.column, kept.descending);
    select();
    table.parentElement.scrollTop = kept.top ?? 0;
    if (kept.focus) filter.focus();
  }

  // A running search renews this file. The page is loaded again while its reader rests; the browser keeps the place.
  const seconds = document.body.dataset.reload;
  if (seconds) {
    let timer;
    const wait = () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        if (document.activeElement instanceof SVGElement) return wait();
        keep({ top: table?.parentElement.scrollTop, focus: document.activeElement === filter });
        location.reload();
      }, seconds * 1000);
    };
    for (const sign of ['pointermove', 'pointerdown', 'keydown', 'wheel']) addEventListener(sign, wait, { passive: true });
    wait();
  }
}
