// What is asked for next, by the shares of the kinds.
import type { Dice } from "../emulators/dice.ts";
import { type Ask, KINDS, type Kind, SHARES } from "./ask.ts";
import type { Books } from "./books.ts";
import { list, readCharge, readCharges, readEvents, refused, retrieve } from "./reads.ts";
import { create, record, repeat } from "./writes.ts";

export function drawAsk(books: Books, dice: Dice): Ask {
  const kind = kindAt(dice.next());
  switch (kind) {
    case "create":
    case "create async":
    case "create slow":
      return create(books, kind, dice);
    case "repeat":
      return repeat(books, dice);
    case "record":
      return record(books, dice);
    case "retrieve":
      return retrieve(books, dice);
    case "list":
      return list(books, dice);
    case "charge":
      return readCharge(books, dice);
    case "charges":
      return readCharges(books, dice);
    case "events":
      return readEvents(books, dice);
    case "refused":
      return refused(books, dice);
  }
}

/** `roll` from 0 to 1. */
function kindAt(roll: number): Kind {
  let left = roll * 100;
  for (const kind of KINDS) {
    left -= SHARES[kind];
    if (left < 0) return kind;
  }
  return "create";
}
