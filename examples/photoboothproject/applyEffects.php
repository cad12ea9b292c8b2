<?php

// PhotoboothProject: every photo becomes the picture of a slot, before frames, texts, thumbnails and prints are made.
// Copy this file to private/api/applyEffects.php and change the two lines. If PhotoChanger gives no picture, the photo stays
// as it is and the booth goes on.

use Photobooth\Enum\FolderEnum;

$photochangerUrl = 'http://192.168.1.10:8000/ingest/slot-002';
$photochangerKey = 'pck_…'; // photochanger ingest-keys add "PhotoboothProject"

foreach ($srcImages ?? [$file] as $photochangerName) {
    $photochangerPhoto = FolderEnum::TEMP->absolute() . DIRECTORY_SEPARATOR . basename($photochangerName);
    $photochangerCall = curl_init($photochangerUrl);
    curl_setopt_array($photochangerCall, [
        CURLOPT_POSTFIELDS => ['password' => $photochangerKey, 'fileToUpload' => new CURLFile($photochangerPhoto)],
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_CONNECTTIMEOUT => 3,
        CURLOPT_TIMEOUT => 60, // longer than the sync window of the service
    ]);
    $photochangerPicture = curl_exec($photochangerCall);
    $photochangerStatus = curl_getinfo($photochangerCall, CURLINFO_RESPONSE_CODE);
    if ($photochangerStatus === 200 && getimagesizefromstring($photochangerPicture) !== false) {
        // Complete or not at all: a name that changes at once.
        file_put_contents($photochangerPhoto . '.part', $photochangerPicture);
        rename($photochangerPhoto . '.part', $photochangerPhoto);
    } else {
        $photochangerReason = curl_error($photochangerCall) ?: substr((string) $photochangerPicture, 0, 300);
        $logger->error('PhotoChanger: ' . $photochangerStatus . ' ' . $photochangerReason);
    }
    curl_close($photochangerCall);
}
