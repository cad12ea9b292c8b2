<?php

// PhotoboothProject: every photo becomes the picture of a slot, before frames, texts, thumbnails and prints are made.
// Copy this file to private/api/applyEffects.php and change the two lines. If PhotoChanger gives no picture, the photo stays
// as it is and the booth goes on. The photos of a collage are sent at the same time.

use Photobooth\Enum\FolderEnum;

$photochangerUrl = 'http://192.168.1.10:8000/ingest/slot-002';
$photochangerKey = 'pck_…'; // photochanger ingest-keys add "PhotoboothProject"

$photochangerCalls = [];
$photochangerAll = curl_multi_init();
foreach ($srcImages ?? [$file] as $photochangerName) {
    $photochangerPhoto = FolderEnum::TEMP->absolute() . DIRECTORY_SEPARATOR . basename($photochangerName);
    $photochangerCall = curl_init($photochangerUrl);
    curl_setopt_array($photochangerCall, [
        CURLOPT_POSTFIELDS => ['password' => $photochangerKey, 'fileToUpload' => new CURLFile($photochangerPhoto)],
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_CONNECTTIMEOUT => 3,
        CURLOPT_TIMEOUT => 60, // longer than the sync window of the service
        CURLOPT_MAXFILESIZE => 64 * 1024 * 1024,
    ]);
    curl_multi_add_handle($photochangerAll, $photochangerCall);
    $photochangerCalls[$photochangerPhoto] = $photochangerCall;
}
do {
    curl_multi_exec($photochangerAll, $photochangerRunning);
    if (curl_multi_select($photochangerAll) === -1) {
        usleep(10000);
    }
} while ($photochangerRunning > 0);
while ($photochangerEnded = curl_multi_info_read($photochangerAll)) {
    $photochangerPhoto = array_search($photochangerEnded['handle'], $photochangerCalls, true);
    $photochangerPicture = (string) curl_multi_getcontent($photochangerEnded['handle']);
    $photochangerStatus = curl_getinfo($photochangerEnded['handle'], CURLINFO_RESPONSE_CODE);
    if ($photochangerEnded['result'] !== CURLE_OK) {
        $photochangerReason = curl_strerror($photochangerEnded['result']);
    } elseif ($photochangerStatus !== 200 || @getimagesizefromstring($photochangerPicture) === false) {
        $photochangerReason = 'no picture: ' . substr($photochangerPicture, 0, 300);
    } elseif (
        // Complete or not at all: a name that changes at once.
        @file_put_contents($photochangerPhoto . '.part', $photochangerPicture) !== strlen($photochangerPicture)
        || !rename($photochangerPhoto . '.part', $photochangerPhoto)
    ) {
        $photochangerReason = 'the picture cannot be saved';
    } else {
        continue;
    }
    $logger->error("PhotoChanger: $photochangerStatus $photochangerReason");
}
