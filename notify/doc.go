// Package notify tells people: by mail, by a chat's webhook and by webhooks of
// their own. What is to be told is stored first and sent from SQL, so that a crash
// or a mail server that is away loses nothing; the same trouble is one message
// with a count; nights are quiet for what can wait; what cannot wait is passed on
// to the next person until somebody has acknowledged it.
//
// Everything that stands in a notice may have been written by an attacker (a path,
// a user agent). It is cleaned when it comes in and escaped for each channel when
// it goes out.
package notify
