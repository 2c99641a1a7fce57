// F23: what no crash explains. A ledger loses everything, or goes back to an older state; or D1 goes back to an older
// backup. What nobody else has cannot come back, so these strike where the other side knows everything; and one kind is
// enough for a day.
import type { Batches } from "./batches.ts";
import { rotateKeys } from "./faults.ts";
import type { Sale } from "./sale.ts";
import type { Service } from "./service.ts";
import type { World } from "./world.ts";

const MINUTE = 60_000;

export function strike(
  world: World,
  service: Service,
  batches: Batches,
  sales: readonly Sale[],
  until: number,
): void {
  const { dice } = world;
  const kind = dice.next();
  const payments = [...world.channel.payments.values()].map(({ transactionNo }) => transactionNo);
  const twins = new Set(payments).size < payments.length;
  // What D1 had been told of keys and of payments is nowhere else.
  if (kind < 0.15 && !twins) {
    restoreD1(world, service, batches, until);
    return;
  }
  rotateKeys(world, until);
  if (kind < 0.3) rollBack(world, sales, until);
  if (kind >= 0.3 && kind < 0.6) loseLedgers(world, sales, until);
}

function loseLedgers(world: World, sales: readonly Sale[], until: number): void {
  const { dice, clock, observer } = world;
  for (let n = 3; n > 0; n--) {
    const name = world.nameOf(dice.pick(sales));
    clock.at(dice.between(clock.time, until), () => {
      const disk = world.disk(name);
      if (!disk.isEmpty() && observer.isKnown(disk)) world.wipe(name);
    });
  }
}

/** A ledger goes back to what it was some minutes before. */
function rollBack(world: World, sales: readonly Sale[], until: number): void {
  const { dice, clock, observer } = world;
  const sale = dice.pick(sales);
  const name = world.nameOf(sale);
  const at = dice.between(clock.time, until);
  clock.at(at, () => {
    const disk = world.disk(name);
    if (disk.isEmpty()) return;
    const snapshot = disk.snapshot();
    clock.at(at + dice.between(MINUTE / 2, 5 * MINUTE), () => {
      if (!disk.isEmpty() && observer.isTold(disk)) world.rollBack(name, sale.orderNo, snapshot);
    });
  });
}

/** D1 goes back to what it was some minutes before. A promise or a batch that only it knew would be gone. */
function restoreD1(world: World, service: Service, batches: Batches, until: number): void {
  const { dice, clock, d1 } = world;
  const at = dice.between(clock.time, until);
  clock.at(at, () => {
    const snapshot = d1.snapshot();
    const promised = service.promised();
    const kept = batches.kept();
    clock.at(at + dice.between(MINUTE / 2, 5 * MINUTE), () => {
      for (const refund of service.promised()) if (!promised.has(refund)) return;
      if (batches.kept() > kept) return;
      d1.restore(snapshot);
      world.counts.d1Restored += 1;
      world.note("D1 was restored");
    });
  });
}
