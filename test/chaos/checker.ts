// Every invariant of a storm that can be seen from outside. Pure: the same records give the same violations.
import { type Blame, checkAnswers } from "./check-answers.ts";
import { checkMoney, checkRows } from "./check-books.ts";
import { checkDeliveries } from "./check-deliveries.ts";
import type { Records, Violation } from "./records.ts";

export function check(records: Records): Violation[] {
  const violations: Violation[] = [];
  const blame: Blame = (rule, words, charge) => {
    violations.push({ rule, words, charge });
  };
  for (const words of records.restless) blame("I7", `it does not come to rest: ${words}`, null);
  checkAnswers(records, blame);
  checkMoney(records, blame);
  checkRows(records, blame);
  checkDeliveries(records, blame);
  return violations;
}
