CREATE TABLE `batch_refunds` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`app` text NOT NULL,
	`livemode` integer NOT NULL,
	`id` text NOT NULL,
	`batch_no` text NOT NULL,
	`description` text NOT NULL,
	`metadata` text NOT NULL,
	`items` text NOT NULL,
	`fingerprint` text NOT NULL,
	`request` text NOT NULL,
	`status` text NOT NULL,
	`created` integer NOT NULL,
	`time_succeeded` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `batch_refunds_id` ON `batch_refunds` (`app`,`livemode`,`id`);--> statement-breakpoint
CREATE UNIQUE INDEX `batch_refunds_number` ON `batch_refunds` (`app`,`livemode`,`batch_no`);--> statement-breakpoint
CREATE INDEX `batch_refunds_created` ON `batch_refunds` (`app`,`livemode`,`created`,`seq`);--> statement-breakpoint
CREATE INDEX `batch_refunds_open` ON `batch_refunds` (`created`) WHERE "batch_refunds"."status" = 'processing';--> statement-breakpoint
CREATE TABLE `refund_timeline` (
	`app` text NOT NULL,
	`livemode` integer NOT NULL,
	`refund` text NOT NULL,
	`version` integer NOT NULL,
	`at` integer NOT NULL,
	`entry` text NOT NULL,
	PRIMARY KEY(`app`, `livemode`, `refund`, `version`, `at`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `search_terms` (
	`app` text NOT NULL,
	`livemode` integer NOT NULL,
	`object` text NOT NULL,
	`term` text NOT NULL,
	`created` integer NOT NULL,
	`seq` integer NOT NULL,
	`id` text NOT NULL,
	`described` integer NOT NULL,
	PRIMARY KEY(`app`, `livemode`, `object`, `term`, `created`, `seq`, `id`)
) WITHOUT ROWID;
--> statement-breakpoint
DROP INDEX `refunds_created`;--> statement-breakpoint
ALTER TABLE `refunds` ADD `approval` text;--> statement-breakpoint
ALTER TABLE `refunds` ADD `batch` text;--> statement-breakpoint
ALTER TABLE `refunds` ADD `described` integer DEFAULT 1 NOT NULL;--> statement-breakpoint
CREATE INDEX `refunds_channel` ON `refunds` (`app`,`livemode`,`channel`,`created`,`seq`,`id`);--> statement-breakpoint
CREATE INDEX `refunds_currency` ON `refunds` (`app`,`livemode`,`currency`,`created`,`seq`,`id`);--> statement-breakpoint
CREATE INDEX `refunds_amount` ON `refunds` (`app`,`livemode`,`amount`,`created`,`seq`,`id`);--> statement-breakpoint
CREATE INDEX `refunds_unsettled` ON `refunds` (`app`,`livemode`,`status`,`created`,`seq`,`id`) WHERE "refunds"."status" <> 'succeeded';--> statement-breakpoint
CREATE INDEX `refunds_number` ON `refunds` (`app`,`livemode`,`refund_no`) WHERE "refunds"."refund_no" is not null;--> statement-breakpoint
CREATE INDEX `refunds_transaction` ON `refunds` (`app`,`livemode`,`transaction_no`) WHERE "refunds"."transaction_no" is not null;--> statement-breakpoint
CREATE INDEX `refunds_attention` ON `refunds` (`app`,`livemode`,`created`,`seq`,`id`,`attention`) WHERE "refunds"."attention" is not null;--> statement-breakpoint
CREATE INDEX `refunds_approval` ON `refunds` (`app`,`livemode`,`approval`,`created`,`seq`,`id`) WHERE "refunds"."approval" is not null;--> statement-breakpoint
CREATE INDEX `refunds_batch` ON `refunds` (`batch`) WHERE "refunds"."batch" is not null;--> statement-breakpoint
CREATE INDEX `refunds_created` ON `refunds` (`app`,`livemode`,`created`,`seq`,`id`,`status`,`channel`,`currency`,`amount`);--> statement-breakpoint
ALTER TABLE `charges` ADD `transaction_no` text;--> statement-breakpoint
ALTER TABLE `charges` ADD `described` integer DEFAULT 1 NOT NULL;--> statement-breakpoint
CREATE INDEX `charges_currency` ON `charges` (`app`,`livemode`,`currency`,`created`,`seq`);--> statement-breakpoint
CREATE INDEX `charges_amount` ON `charges` (`app`,`livemode`,`amount`,`created`,`seq`);--> statement-breakpoint
CREATE INDEX `charges_order` ON `charges` (`app`,`livemode`,`order_no`);--> statement-breakpoint
CREATE INDEX `charges_transaction` ON `charges` (`app`,`livemode`,`transaction_no`) WHERE "charges"."transaction_no" is not null;--> statement-breakpoint
CREATE INDEX `charges_frozen` ON `charges` (`app`,`livemode`,`created`,`seq`) WHERE "charges"."freeze" is not null;--> statement-breakpoint
ALTER TABLE `events` ADD `batch` text;--> statement-breakpoint
CREATE INDEX `events_charge` ON `events` (`app`,`livemode`,`charge`,`created`,`seq`) WHERE "events"."charge" is not null;--> statement-breakpoint
UPDATE `charges` SET `transaction_no` = json_extract(`doc`, '$.transactionNo');
