DROP INDEX `deliveries_endpoint`;--> statement-breakpoint
ALTER TABLE `deliveries` ADD `attempts_before` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `deliveries` ADD `slot_at` integer;--> statement-breakpoint
ALTER TABLE `deliveries` ADD `slow_endpoint` text;--> statement-breakpoint
CREATE INDEX `deliveries_created` ON `deliveries` (`app`,`livemode`,`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `deliveries_undelivered` ON `deliveries` (`app`,`livemode`,`status`,`created_at`,`id`) WHERE "deliveries"."status" <> 'delivered';--> statement-breakpoint
CREATE INDEX `deliveries_slow` ON `deliveries` (`slow_endpoint`,`lease_until`) WHERE "deliveries"."slow_endpoint" is not null;--> statement-breakpoint
CREATE INDEX `deliveries_endpoint` ON `deliveries` (`app`,`livemode`,`endpoint`,`created_at`,`id`);--> statement-breakpoint
PRAGMA defer_foreign_keys=on;--> statement-breakpoint
CREATE TABLE `__new_events` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`app` text NOT NULL,
	`livemode` integer NOT NULL,
	`id` text NOT NULL,
	`type` text NOT NULL,
	`charge` text,
	`refund` text,
	`endpoint` text,
	`created` integer NOT NULL,
	`body` text NOT NULL
);
--> statement-breakpoint
INSERT INTO `__new_events`("seq", "app", "livemode", "id", "type", "charge", "refund", "endpoint", "created", "body") SELECT "seq", "app", "livemode", "id", "type", "charge", "refund", NULL, "created", "body" FROM `events`;--> statement-breakpoint
DROP TABLE `events`;--> statement-breakpoint
ALTER TABLE `__new_events` RENAME TO `events`;--> statement-breakpoint
CREATE UNIQUE INDEX `events_id` ON `events` (`id`);--> statement-breakpoint
CREATE INDEX `events_created` ON `events` (`app`,`livemode`,`created`,`seq`);--> statement-breakpoint
CREATE INDEX `events_type` ON `events` (`app`,`livemode`,`type`,`created`,`seq`);--> statement-breakpoint
ALTER TABLE `webhook_endpoints` ADD `next_slot_at` integer;--> statement-breakpoint
CREATE INDEX `dead_letters_created` ON `dead_letters` (`app`,`livemode`,`created_at`,`id`);