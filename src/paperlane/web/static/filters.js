// What a page shows of its list, by its address.

/** The filters of this page's address. */
export const filter = new URLSearchParams(location.search);

/** Each link in #filters leads to its own choice, beside what else is chosen; those that hold now are marked. */
export function linkFilters() {
  for (const link of document.querySelectorAll("#filters a")) {
    const [name] = Object.keys(link.dataset);
    const query = new URLSearchParams(filter);
    if (link.dataset[name]) query.set(name, link.dataset[name]);
    else query.delete(name);
    link.href = `?${query}`;
    if ((filter.get(name) ?? "") === link.dataset[name]) link.setAttribute("aria-current", "true");
  }
}
