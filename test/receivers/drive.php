<?php
// Asks the snippets of WEBHOOKS.md about the deliveries on standard input and prints one verdict a line (see drive.mjs).
require __DIR__ . '/webhook.php';
require __DIR__ . '/pingpp-webhook.php';

// A warning is a crash: a receiver may show it to whoever sent the request.
set_error_handler(function ($level, $message) {
    throw new ErrorException($message);
});

while (($line = fgets(STDIN)) !== false) {
    [$scheme, $body, $lines, $key, $now] = explode("\t", rtrim($line, "\n"));
    [$body, $key] = [base64_decode($body), base64_decode($key)];
    $headers = [];
    foreach (array_filter(explode("\n", base64_decode($lines))) as $header) {
        [$name, $value] = explode(': ', $header, 2);
        $headers[ucwords($name, '-')] = $value;
    }
    try {
        $event = $scheme === 'standard'
            ? verifyWebhook($body, $headers, $key, (int) $now)
            : verifyPingppWebhook($body, $headers, $key);
        echo is_array($event) ? "accepted\n" : "crashed: no event\n";
    } catch (RuntimeException $error) {
        echo "refused: {$error->getMessage()}\n";
    } catch (Throwable $error) {
        echo "crashed: {$error->getMessage()}\n";
    }
}
