// Prometheus' text format, version 0.0.4: figures as `name{label="value"} number`, each name with its help and type.

export const MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export interface Figure {
  labels?: Record<string, string>;
  value: number;
}

/** All are gauges: they are counted anew whenever they are asked for. */
export interface Metric {
  name: string;
  help: string;
  figures: readonly Figure[];
}

export function renderMetrics(metrics: readonly Metric[]): string {
  return metrics
    .flatMap(({ name, help, figures }) => [
      `# HELP ${name} ${help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}`,
      `# TYPE ${name} gauge`,
      ...figures.map(({ labels = {}, value }) => `${name}${rendered(labels)} ${value}`),
    ])
    .map((line) => `${line}\n`)
    .join("");
}

function rendered(labels: Record<string, string>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escaped(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
