// Calendar days of a time zone, in Unix seconds. A day is all the time in which the zone's clocks show its date, so it
// has 23 or 25 hours where they are changed, and a date that a zone left out has none. Where clocks were put back across
// midnight a day has two parts. Nothing depends on the zone of the machine; the rules are those of the runtime's Intl.

/** A stretch of time with one date; `until` is not part of it. */
export interface DayPart {
  /** `2026-11-23`. */
  day: string;
  from: number;
  until: number;
}

const DAY = 86_400;
/** No zone changed its clocks twice within so short a time. */
const STEP = DAY / 2;

/** Whether a name is that of a time zone: `Asia/Shanghai`, `UTC`. */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en-US", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** The dates of the time from `from` until `until`, in the order of time: one part a day but for the days above. */
export function daysOf(timeZone: string, from: number, until: number): DayPart[] {
  const offset = offsetIn(timeZone);
  const parts: DayPart[] = [];
  for (let at = from; at < until; ) {
    const seconds = offset(at);
    const step = Math.min(at + STEP, until);
    const next = offset(step) === seconds ? step : changeBetween(offset, at, step);
    addDays(parts, at, next, seconds);
    at = next;
  }
  return parts;
}

/** When the date that a zone shows at `at` began there. */
export function startOfDay(timeZone: string, at: number): number {
  // A date is at most two days long, also where clocks were put back by a whole day.
  const parts = daysOf(timeZone, at - 2 * DAY, at + 1);
  const { day } = parts.at(-1) as DayPart;
  return (parts.find((part) => part.day === day) as DayPart).from;
}

/** How far a zone's clocks are ahead of UTC at a time, seconds. */
function offsetIn(timeZone: string): (at: number) => number {
  const format = new Intl.DateTimeFormat("en-US-u-ca-gregory-nu-latn", {
    timeZone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
  return (at) => {
    const shown: Record<string, number> = {};
    for (const { type, value } of format.formatToParts(at * 1000)) shown[type] = Number(value);
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = shown;
    return Date.UTC(year, month - 1, day, hour, minute, second) / 1000 - at;
  };
}

/** The first second after `before` at which the offset is another one. */
function changeBetween(offset: (at: number) => number, before: number, after: number): number {
  const seconds = offset(before);
  let [low, high] = [before, after];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offset(middle) === seconds) low = middle;
    else high = middle;
  }
  return high;
}

/** Adds the days of a time in which the clocks were not changed. */
function addDays(parts: DayPart[], from: number, until: number, offset: number): void {
  for (let at = from; at < until; ) {
    const number = Math.floor((at + offset) / DAY);
    const end = Math.min((number + 1) * DAY - offset, until);
    const day = new Date(number * DAY * 1000).toISOString().replace(/T.*$/, "");
    const last = parts.at(-1);
    if (last?.day === day) last.until = end;
    else parts.push({ day, from: at, until: end });
    at = end;
  }
}
