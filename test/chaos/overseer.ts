// What D1 itself sees of every write and keeps for the end: rows that go back to an older version or an earlier state,
// that change what never changes, or that vanish. Triggers, because nobody outside can look after every commit.

/** A row for each sighting. */
export const SIGHTINGS = "chaos_sightings";

const sight = (name: string, when: string, values: string) =>
  `create trigger chaos_${name} ${when} begin insert into ${SIGHTINGS} (charge, words) values ${values}; end`;

export const OVERSEER: readonly string[] = [
  `create table ${SIGHTINGS} (charge text, words text not null)`,
  sight(
    "refund_older",
    "after update on refunds when new.version < old.version",
    "(new.charge, new.id || ' went from version ' || old.version || ' to ' || new.version)",
  ),
  sight(
    "refund_other",
    `after update on refunds when new.amount <> old.amount or new.charge <> old.charge or new.seq <> old.seq
      or new.refund_no is not old.refund_no`,
    "(new.charge, new.id || ' became another refund')",
  ),
  sight(
    "refund_back",
    `after update on refunds when (old.status <> 'pending' and new.status = 'pending')
      or (old.state = 'accepted' and new.state in ('waiting', 'submitting', 'unknown'))`,
    "(new.charge, new.id || ' went from ' || old.state || ' to ' || new.state)",
  ),
  sight(
    "charge_older",
    "after update on charges when new.version < old.version or new.highest_seq < old.highest_seq",
    "(new.id, new.id || ' went from version ' || old.version || ' to ' || new.version)",
  ),
  sight("refund_gone", "after delete on refunds", "(old.charge, old.id || ' was deleted')"),
  sight("event_gone", "after delete on events", "(old.charge, old.id || ' was deleted')"),
  sight(
    "event_other",
    "after update on events when new.body <> old.body",
    "(new.charge, new.id || ' has other bytes')",
  ),
];
