CREATE TABLE `claimed_payments` (
	`connector` text NOT NULL,
	`merchant` text NOT NULL,
	`transaction_no` text NOT NULL,
	`app` text NOT NULL,
	`charge` text NOT NULL,
	PRIMARY KEY(`connector`, `merchant`, `transaction_no`)
);
--> statement-breakpoint
CREATE INDEX `claimed_payments_charge` ON `claimed_payments` (`app`,`charge`);--> statement-breakpoint
CREATE TABLE `orphan_notices` (
	`id` text PRIMARY KEY NOT NULL,
	`app` text NOT NULL,
	`livemode` integer NOT NULL,
	`channel` text NOT NULL,
	`charge` text NOT NULL,
	`number` text NOT NULL,
	`verdict` text NOT NULL,
	`received_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `orphan_notices_received` ON `orphan_notices` (`app`,`livemode`,`received_at`,`id`);--> statement-breakpoint
ALTER TABLE `channel_accounts` ADD `merchant` text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE `channel_accounts` ADD `notice_keys` text DEFAULT '[]' NOT NULL;--> statement-breakpoint
ALTER TABLE `channel_accounts` ADD `description` text;--> statement-breakpoint
CREATE UNIQUE INDEX `channel_accounts_current` ON `channel_accounts` (`app`,`livemode`,`channel`) WHERE "channel_accounts"."retired_at" is null;