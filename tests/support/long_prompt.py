"""A prompt of 2,000 characters, as careful studios write them. It repeats nothing, so it is hardly compressed."""

from __future__ import annotations

LONG_PROMPT = (
    "Turn the people in this photo into an oil painting in the manner of the Dutch masters of the seventeenth "
    "century. Keep every face exactly as it is: eyes, nose, mouth, skin tone, wrinkles, beard, glasses and expression "
    "stay those of the guests, so that each of them is recognised at once by friends and family. Keep the number of "
    "people, their order from left to right, their poses, and whatever they hold in their hands, including drinks, "
    "phones, children, dogs and balloons. Replace modern clothing by doublets of black velvet, ruffs, lace collars, "
    "satin gowns, pearl earrings and broad hats with feathers; choose a different costume for each person, and let "
    "colours harmonise: deep red, ochre, bottle green, ivory, midnight blue. Light falls softly from a tall window on "
    "the left, warm on cheeks and hands, and fades into a brown darkness behind the group. In the background there is "
    "a table with a half peeled lemon, pewter jugs, oysters, a skull, an hourglass and a globe, slightly out of "
    "focus. Show brush strokes, thick paint on the highlights, thin glazes in the shadows, fine craquelure and a "
    "faint yellow varnish. Leave a margin of five percent at every edge, because the picture is printed without "
    "borders on paper of ten by fifteen centimetres and mounted in a cardboard frame. Nobody may be cut off, doubled, "
    "made younger, slimmer or paler, and no stranger may appear. Hands have five fingers. Letters on shirts, badges "
    "or banners become plain cloth. Avoid text, numbers, signatures, logos, watermarks, picture frames, halos, smoke, "
    "blood, weapons and anything that could embarrass a guest of a wedding, a company party or a children's birthday. "
    "If a face is turned away, partly hidden by hair or blurred, paint it equally turned away, hidden or soft rather "
    "than inventing features. If nobody is in the photo, paint a still life of the room. Return a single picture in "
    "the same orientation as the photo, at the highest quality available, without any explanation or comment of any "
    "kind."
)
