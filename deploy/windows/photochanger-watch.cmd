@echo off
rem Hot folder on a booth PC. Change the four lines, then put a shortcut to this file into the folder that "shell:startup" opens.
set FOLDER=C:\booth\photos
set OUTPUT=C:\booth\pictures
set SLOT=slot-002
set URL=http://192.168.1.10:8000

:again
C:\photochanger\Scripts\photochanger.exe watch "%FOLDER%" --slot %SLOT% --url %URL% --output "%OUTPUT%" --password-file C:\photochanger\password.txt
echo The hot folder ended. It starts again in ten seconds.
timeout /t 10 /nobreak
goto again
