package noren

import "time"

// Sequence declares steps that one entity takes one after the other within a
// time, such as scan → exploit → web shell → export. How far an entity has come
// is the fact sequence.NAME of an event that is itself one of the steps.
type Sequence struct {
	Name   string
	By     string // EntityAddress, EntitySession, EntityDevice or EntityAccount
	Within time.Duration
	Steps  []SequenceStep
}

// SequenceStep is one step as far as counting it goes.
type SequenceStep struct {
	Name string
	Gap  time.Duration // the longest time since the step before; 0: Within
}

// StepSeen says that an event is a step of a sequence, counted from 1. Which
// events are is a matter of the policy set; how far that brings an entity, of
// what was recorded of it.
type StepSeen struct {
	Sequence string
	Step     int
}
