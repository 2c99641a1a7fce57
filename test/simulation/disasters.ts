// F23: what no crash explains. Now and then a ledger loses everything. What nobody else has cannot come back, so this
// strikes where D1 knows all that the ledger does.
import type { Sale } from "./sale.ts";
import type { World } from "./world.ts";

export function loseLedgers(world: World, sales: readonly Sale[], until: number): void {
  const { dice, clock, observer } = world;
  if (!dice.chance(0.4)) return;
  for (let n = 3; n > 0; n--) {
    const name = world.nameOf(dice.pick(sales));
    clock.at(dice.between(clock.time, until), () => {
      const disk = world.disk(name);
      if (!disk.isEmpty() && observer.isAtRest(disk)) world.wipe(name);
    });
  }
}
