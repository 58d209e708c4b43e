/*
 * main.c - which command is wanted.
 */
int main(void)
{
    return 2;
}
