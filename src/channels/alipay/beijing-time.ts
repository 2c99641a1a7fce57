/** Alipay's `yyyy-MM-dd HH:mm:ss`, which is Beijing's time wherever the machine stands, in ms since the epoch. */
export function beijingTime(text: string): number | null {
  const [, date, time] = /^(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2})(?:\.\d{1,3})?$/.exec(text) ?? [];
  const at = Date.parse(`${date}T${time}+08:00`);
  return Number.isNaN(at) ? null : at;
}
