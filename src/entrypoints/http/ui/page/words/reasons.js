/* Why a slot does not work as it should, as the API says it, in the language of the page. */
export const tellReason = (reason) => reason;
