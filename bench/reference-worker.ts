// What the size and the start of the Worker are compared with: a Worker that imports what every such service would, hono,
// zod and drizzle-orm, and does one small thing with each.
import { eq } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { Hono } from "hono";
import * as z from "zod";

const notes = sqliteTable("notes", { id: integer("id").primaryKey(), text: text("text").notNull() });
const params = z.strictObject({ id: z.coerce.number().int().positive() });

const app = new Hono<{ Bindings: { DB: D1Database } }>();

app.get("/notes/:id", async (c) => {
  const { success, data } = params.safeParse(c.req.param());
  if (!success) return c.json({ error: "invalid" }, 400);
  return c.json(await drizzle(c.env.DB).select().from(notes).where(eq(notes.id, data.id)));
});

export default app;
