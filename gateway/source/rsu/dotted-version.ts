/** Up to four numbers with dots between them. */
const DOTTED = /^\d{1,9}(?:\.\d{1,9}){0,3}$/;

export const isDotted = (text: string): boolean => DOTTED.test(text);

/** Number by number, missing ones being 0: "10.0.0" is newer than "9.5". @returns below 0 when `a` is older */
export function compareDotted(a: string, b: string): number {
  const [left, right] = [a, b].map((text) => text.split(".").map(Number)) as [number[], number[]];
  for (let place = 0; place < Math.max(left.length, right.length); place++) {
    const difference = (left[place] ?? 0) - (right[place] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
