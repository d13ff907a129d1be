// The colour of a deployment: blue is blue and green is green; another name has one of its own.

const OTHERS = ["--violet", "--amber", "--rose"];

function variable(slot) {
  if (slot === "blue" || slot === "green") return `--${slot}`;
  let sum = 0;
  for (const letter of slot) sum += letter.codePointAt(0);
  return OTHERS[sum % OTHERS.length];
}

export function slotStyle(slot) {
  return { "--slot": `var(${variable(slot)})`, "--slot-ink": `var(${variable(slot)}-ink)` };
}

// Canvas knows no CSS variables.
export function drawn(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export function slotColour(slot) {
  return drawn(variable(slot));
}
