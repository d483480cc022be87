// The service counts characters (code points); JavaScript's strings count UTF-16 units. They differ beyond U+FFFF.

/** Turns a count of code points into a place in the string; cheap where the text has no such characters. */
export function placesIn(text) {
  if (!/[\ud800-\udbff]/.test(text)) return (offset) => offset;
  const wide = []; // for each wide character: how many code points stand before it
  let points = 0;
  for (const character of text) {
    if (character.length === 2) wide.push(points);
    points += 1;
  }
  return (offset) => {
    let low = 0;
    let high = wide.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (wide[middle] < offset) low = middle + 1;
      else high = middle;
    }
    return offset + low;
  };
}
