<?php
// A program that knows nothing of Farebox: PHP's curl, a JSON call and a streamed one.
foreach ([false, true] as $stream) {
    $call = curl_init('https://api.openai.com/v1/chat/completions');
    curl_setopt_array($call, [
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_HTTPHEADER => ['Content-Type: application/json', 'Authorization: Bearer sk-php'],
        CURLOPT_POSTFIELDS => json_encode(['model' => 'gpt-4o', 'messages' => [], 'stream' => $stream]),
    ]);
    if (curl_exec($call) === false) {
        fwrite(STDERR, curl_error($call) . "\n");
        exit(1);
    }
}
