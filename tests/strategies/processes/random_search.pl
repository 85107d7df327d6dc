# A searcher in another language: random search in Perl, with nothing but its core modules.
use strict;
use warnings;
use JSON::PP;
use POSIX qw(floor);

$| = 1;
my ($json, @space, $seed) = (JSON::PP->new->allow_nonref);

sub value {
    my ($about) = @_;
    my $u = rand();
    return int($u * @{ $about->{options} }) if $about->{type} eq 'categorical';
    if (!defined $about->{low}) {
        my $normal = sqrt(-2 * log(1 - $u)) * cos(6.283185307179586 * rand());
        return $about->{mean} + $about->{sd} * $normal;
    }
    my ($low, $high) = ($about->{low}, $about->{high});
    my $value = $about->{log} ? $low * ($high / $low)**$u : $low + $u * ($high - $low);
    return $about->{type} eq 'integer' ? floor($value + 0.5) : $value;
}

while (my $line = <STDIN>) {
    my $request = $json->decode($line);
    my $answer = { type => $request->{type} eq 'tell' ? 'ok' : 'ignored' };
    if ($request->{type} eq 'hello') {
        @space = @{ $request->{space} };
        $seed = $request->{seed};
        $answer = { type => 'ready', epochs => JSON::PP::false };
    } elsif ($request->{type} eq 'ask') {
        srand(1_000_003 * $seed + $request->{number});
        my %values = map { $_->{name} => value($_) } @space;
        $answer = { type => 'config', values => \%values };
    }
    print $json->encode($answer), "\n";
}
