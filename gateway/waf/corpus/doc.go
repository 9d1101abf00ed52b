// Package corpus holds what the firewall is measured with: what honest people
// write into a Japanese shop, and attacks that work, each in the fields, places
// and encodings in which it travels. All of it was written for this purpose;
// its people, firms and addresses are invented.
//
// Benign lines are hand-written (data/benign, the hard ones) and generated
// (Generate: the breadth). Attack lines are kept in data/attacks.tsv: package
// prove makes them from seeds and keeps those alone that work on a weak program
// of their class. Nothing here knows the firewall.
//
// A third of both is held out (Line.Held): rules are never tuned on it, and its
// figures are printed apart. Of attacks the seed decides, so that no variant of
// a held-out attack is seen while tuning; of benign lines the line itself.
package corpus
