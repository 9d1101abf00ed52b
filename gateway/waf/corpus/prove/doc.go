// Package prove shows of every attack line that it works, and of every benign
// line that it does not: each goes, undressed as a shop undresses it, into
// deliberately weak programs of its class, and what counts is the changed
// structure. SQL is put together from strings and must run on SQLite as another
// statement; HTML must hold something active in the tree a browser would build;
// a command line must start another known program; a path must open a file
// outside its folder that is there; a template must compute; a filter of LDAP, a
// query of XPath, a document of XML, the header of a mail must have other parts
// than a harmless value gives them; an object must be one that its format reads.
//
// What merely breaks a program, as the apostrophe of O'Brien breaks such a
// statement, is a fault and no attack: Check reports no proof, and a benign line
// may do it. A benign line that worked would be no benign line, and the test
// says so.
//
// Seeds (seeds/*.txt) are dressed up by Corpus: in prose, in other cases, with
// comments, in every encoding trick. What does not survive that is dropped with
// the reason.
package prove
