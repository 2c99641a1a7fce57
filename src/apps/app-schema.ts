// Apps on the wire. Settings are shown with their defaults filled in.
import * as z from "zod";
import { keyObject, keySchema, nameSchema } from "../auth/key-schema.ts";
import type { AppRow, MintedApp } from "../auth/mint.ts";
import { storedSettings } from "../auth/repository.ts";
import { pageQuery } from "../http/pagination.ts";
import { appSettingsSchema } from "./schema.ts";

export const appSchema = z.object({
  id: z.string(),
  object: z.literal("app"),
  name: z.string(),
  parent: z.string().nullable(),
  created: z.int(),
  settings: appSettingsSchema,
});

export const createdAppSchema = appSchema.extend({ test_key: keySchema, live_key: keySchema });

export function appObject(row: AppRow): z.infer<typeof appSchema> {
  return {
    id: row.id,
    object: "app",
    name: row.name,
    parent: row.parent,
    created: row.created,
    settings: storedSettings(row.settings),
  };
}

/** The one answer that shows the first keys. */
export function createdAppObject({ row, test, live }: MintedApp): z.infer<typeof createdAppSchema> {
  return {
    ...appObject(row),
    test_key: keyObject(test.row, test.key),
    live_key: keyObject(live.row, live.key),
  };
}

/** Any of the settings; null stands for the default. */
const changesSchema = z.strictObject(
  Object.fromEntries(
    Object.entries(appSettingsSchema.shape).map(([name, schema]) => [
      name,
      schema.removeDefault().nullable().optional(),
    ]),
  ),
);

export const createAppSchema = z.strictObject({ name: nameSchema, settings: changesSchema.default({}) });
export const updateAppSchema = z.strictObject({
  name: nameSchema.optional(),
  settings: changesSchema.default({}),
});

export const appListQuery = z.strictObject(pageQuery(100, 20));
