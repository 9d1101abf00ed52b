package noren

import (
	"strconv"
	"strings"
	"time"
)

// A device's id begins with the day it was given, so that every event that names
// the device tells how long it is known, whatever else it carries.
const (
	deviceDay  = 24 * time.Hour
	deviceRand = 14 // characters after the day and a hyphen
)

// DeviceID makes the id of a device that was first given a cookie at a time;
// random is 14 characters that nobody can guess.
func DeviceID(given time.Time, random string) string {
	return strconv.FormatInt(given.Unix()/int64(deviceDay/time.Second), 10) + "-" + random
}

// deviceAge is how many days ago the device of an event got its cookie; -1 when
// it is not known. Ids that other senders make do not tell.
func (e *Event) deviceAge() int64 {
	day, random, ok := strings.Cut(e.Entities[EntityDevice], "-")
	if !ok || len(random) != deviceRand || len(day) != 5 { // until the year 2243
		return -1
	}
	given, err := strconv.ParseUint(day, 10, 32)
	if err != nil {
		return -1
	}
	return max(0, e.At.Unix()/int64(deviceDay/time.Second)-int64(given))
}
