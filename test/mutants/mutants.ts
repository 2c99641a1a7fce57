// All mutants, in the order of a refund's life and then of its notification's.
import { CLOCKWORK_MUTANTS } from "./clockwork-mutants.ts";
import { CONTROL_MUTANTS } from "./control-mutants.ts";
import { DELIVERY_MUTANTS } from "./delivery-mutants.ts";
import { MONEY_MUTANTS } from "./money-mutants.ts";
import type { Mutant } from "./mutant.ts";
import { PEOPLE_MUTANTS } from "./people-mutants.ts";
import { PROMISE_MUTANTS } from "./promise-mutants.ts";
import { SENDING_MUTANTS } from "./sending-mutants.ts";

export const MUTANTS: Mutant[] = [
  ...MONEY_MUTANTS,
  ...SENDING_MUTANTS,
  ...CLOCKWORK_MUTANTS,
  ...PROMISE_MUTANTS,
  ...PEOPLE_MUTANTS,
  ...CONTROL_MUTANTS,
  ...DELIVERY_MUTANTS,
];
